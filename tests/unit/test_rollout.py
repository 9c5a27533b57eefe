# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roll-outs over many pairs: batches that never part a pair, who stops whom, and what is said at the end."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.keaops.kea.plugins.module_utils import _rollout
from ansible_collections.keaops.kea.plugins.module_utils._findings import check_run
from ansible_collections.keaops.kea.plugins.plugin_utils import _rollouts
from programs import ROOT, run
from real_inventory import Inventory
from test_checks_pairs import pair as model

# --- batches ---------------------------------------------------------------------------------------------------------


def sizes(pairs, *steps):
    found = _rollout.batches([[f"{number}a", f"{number}b"] for number in range(pairs)], _rollout.steps_of(list(steps)))
    assert [pair for batch in found for pair in batch] == [[f"{n}a", f"{n}b"] for n in range(pairs)]
    return [len(batch) for batch in found]


@pytest.mark.parametrize(
    "steps, pairs, wanted",
    [
        ((), 500, [500]),
        ((), 0, []),
        ((1, "10%", "50%"), 500, [1, 50, 250, 199]),
        ((1, "10%", "50%"), 4, [1, 1, 2]),
        ((1, "10%", "50%"), 1, [1]),
        (("1%",), 3, [1, 1, 1]),
        (("100%",), 7, [7]),
        ((2, 3), 10, [2, 3, 3, 2]),
        (("1", " 20% "), 5, [1, 1, 1, 1, 1]),
        ((900,), 3, [3]),
    ],
)
def test_the_pairs_of_each_batch(steps, pairs, wanted):
    assert sizes(pairs, *steps) == wanted


@pytest.mark.parametrize("value, wanted", [(None, []), ([], []), (1, [1]), ("10%", ["10%"]), ((2, "3"), [2, 3])])
def test_what_may_be_written(value, wanted):
    assert _rollout.steps_of(value) == wanted


@pytest.mark.parametrize("step", [0, -1, "0%", "101%", "ten", "10 %%", 1.5, True, {}, "", [1]])
def test_what_may_not(step):
    with pytest.raises(_rollout.RolloutError) as caught:
        _rollout.steps_of([1, step])
    assert str(caught.value) == f"{step!r} is neither a number of pairs, from 1, nor a percentage from 1% to 100%"


def test_the_preflight_refuses_it():
    [finding] = check_run([model("a", 1, {"kea_rollout": [1, "ten"]}), model("b", 2, {"kea_rollout": [1, "ten"]})])
    assert finding.text() == (
        "a1, a2: kea_rollout = '[1, \"ten\"]': 'ten' is neither a number of pairs, from 1, nor a percentage from 1% to "
        '100%. Write for example [1, "10%", "50%"]. [C06]'
    )


@pytest.mark.parametrize("name, value", [("kea_rollout", [2]), ("kea_rollout_max_failures", 3)])
def test_a_run_has_one_plan(name, value):
    [finding] = check_run([model("a", 1), model("b", 2), model("c", 3, {name: value}), model("d", 4)])
    assert (finding.id, finding.severity, finding.host, finding.variable) == ("C06", "error", "c1, c2", name)
    assert "the pair a has " in finding.text() and "Set it once, in group_vars/all or with -e" in finding.text()


def test_without_a_pair_there_is_nothing_to_plan():
    assert check_run([]) == []


# --- after a batch ---------------------------------------------------------------------------------------------------

BATCHES = [[["a1", "a2"]], [["b1", "b2"], ["c1", "c2"]], [["d1", "d2"], ["e1", "e2"]], [["f1", "f2"]]]


@pytest.mark.parametrize(
    "gone, now, tolerated, why",
    [
        ([], "a2", 0, ""),
        (["a1"], "a2", 0, _rollout.TRIAL),
        (["a1", "a2"], "a1", 9, _rollout.TRIAL),
        (["b2"], "c1", 0, "1 failed, and kea_rollout_max_failures is 0"),
        (["b1", "b2"], "c1", 1, ""),
        (["b1", "b2", "e2"], "d1", 1, "2 failed, and kea_rollout_max_failures is 1"),
        (["b1", "c1"], "c1", 9, _rollout.NONE),
        (["f1"], "f1", 0, ""),
    ],
)
def test_whether_the_next_batch_begins(gone, now, tolerated, why):
    alive = {host for batch in BATCHES for pair in batch for host in pair} - set(gone)
    found = _rollout.standing(BATCHES, alive, now, tolerated)
    assert found.why == why and found.halted == bool(why)
    assert found.over == (bool(why) or now == "f1")
    assert sum(map(len, (found.healthy, found.broken, found.waiting))) == 6


def test_the_words_of_a_good_end():
    found = _rollout.standing([[["a1", "a2"], ["b1", "b2"]]], {"a1", "a2", "b1", "b2"}, "a1", 0)
    assert _rollout.lines(found, {}, [], "kea") == ["roll-out: all 2 pairs came through"]


def test_a_long_reason_is_cut_and_an_unknown_one_is_said():
    found = _rollout.standing([[["a1", "a2"], ["b1", "b2"]]], {"a2"}, "a1", 0)
    lines = _rollout.lines(found, {"a": "one\n  two " + "x" * 900, "b": ""}, [], "kea")
    assert lines[0] == "roll-out: 0 of 2 pairs came through, 2 did not"
    assert lines[1].startswith("  a  one two xxx") and lines[1].endswith("x ...") and len(lines[1]) < 310
    assert lines[2] == "  b  see its messages above"


@pytest.mark.parametrize(
    "broken, limit, wanted",
    [
        ("a", "kea", "Or go on without: --limit 'kea:!a'"),
        ("abc", "north", "Or go on without: --limit 'north:!a:!b:!c'"),
        ("a", "north,south", "Or go on without: --limit 'north,south,!a'"),
        ("abcd", "kea", "Mend the cause and run again: it passes over what is done already, and goes on from there."),
    ],
)
def test_how_to_go_on_without_a_few(broken, limit, wanted):
    found = _rollout.standing(BATCHES, {host for pair in BATCHES[-1] for host in pair}, "e1", 0)
    assert _rollout.lines(found, dict.fromkeys(broken, "died"), ["f"], limit)[-1] == wanted


# --- what hostvars say -----------------------------------------------------------------------------------------------

# The trial is written last, and its hosts not beside each other: neither groups of groups nor names put pairs in order.
SITES = """
kea:
  vars: {kea_rollout: [1, "50%"], fail_on: []}
  hosts: {t1: {kea_pair: trial}, a1: {kea_pair: a}}
  children:
    trial: {vars: {kea_pair: trial}, hosts: {t1: , t2: }}
    north:
      children:
        a: {vars: {kea_pair: a}, hosts: {a1: , a2: }}
        b: {vars: {kea_pair: b}, hosts: {b1: , b2: }}
    south:
      children:
        c: {vars: {kea_pair: c}, hosts: {c1: , c2: }}
others: {hosts: {router: }}
"""
ALL = ["t1", "t2", "a1", "a2", "b1", "b2", "c1", "c2"]


@pytest.fixture
def sites(tmp_path):
    return Inventory(tmp_path, SITES)


def order(made, in_run=(*ALL, "router")):
    return _rollouts.order(made.hostvars, made.groups, in_run)


def test_the_hosts_of_a_pair_stand_side_by_side_in_the_order_of_the_inventory(sites):
    assert order(sites) == {"hosts": ALL, "serial": [2, 4, 2]}


def test_a_limit_counts_its_own_pairs(sites):
    assert order(sites, ["c2", "c1", "b1", "b2"]) == {"hosts": ["b1", "b2", "c1", "c2"], "serial": [2, 2]}


def test_without_a_roll_out_nothing_is_in_batches(tmp_path, sites):
    assert _rollouts.order({}, sites.groups, ALL) == {"hosts": ["kea"], "serial": []}
    plain = Inventory(tmp_path, SITES.replace('[1, "50%"]', "[]"))
    assert order(plain) == {"hosts": ["kea"], "serial": []}


def report(made, gone, now, **results):
    for host, facts in results.items():
        made.register(host, **facts)
    return _rollouts.report(made.hostvars, ALL, [host for host in ALL if host not in gone], now)


def test_each_batch_is_named_when_it_begins(tmp_path, sites):
    assert _rollouts.batch(sites.hostvars, ALL, "t2") == "roll-out: batch 1 of 3, 1 pair: trial"
    assert _rollouts.batch(sites.hostvars, ALL, "b1") == "roll-out: batch 2 of 3, 2 pairs: a, b"
    plain = Inventory(tmp_path, SITES.replace('[1, "50%"]', "[]"))
    assert _rollouts.batch(plain.hostvars, ALL, "b1") == ""
    assert _rollouts.batch(sites.hostvars, ["t1", "t2"], "t1") == ""


def test_nothing_is_said_while_it_goes_on(sites):
    assert report(sites, [], "t1") == {"lines": [], "halted": False}


def test_the_trial_stops_everything(sites):
    follower = {"__kea_trouble": "its partner failed", "__kea_follows": True}
    found = report(sites, ["t1", "t2"], "t2", t1=follower, t2={"__kea_trouble": "t2: it died."})
    assert found["halted"]
    assert found["lines"] == [
        "roll-out: 0 of 4 pairs came through, 1 did not",
        "  trial  t2: it died.",
        "Stopped after batch 1 of 3, because the first batch is a trial, and none of it may fail.",
        "Not begun: 3 pairs: a, b, c.",
        "Mend the cause and run again: it passes over what is done already, and goes on from there.",
        "Or go on without: --limit 'kea:!trial'",
    ]


REPORT = "1 error in the pair; nothing was changed.\nERROR: c2: kea_ha_port = '80': in use. [P09]\nERROR: other"


@pytest.mark.parametrize(
    "results, reason",
    [
        ({"c1": {"__kea_checked": {"failed": True, "msg": REPORT}}}, "c2: kea_ha_port = '80': in use. [P09]"),
        (
            {
                "c1": {"__kea_checked": {"failed": True, "msg": "1 error in the pair. See c2."}},
                "c2": {"__kea_checked": {"failed": True, "msg": REPORT}},
            },
            "c2: kea_ha_port = '80': in use. [P09]",
        ),
        ({"c2": {"__kea_packages": {"failed": True, "msg": "No space left"}}}, "c2: No space left"),
        ({"c2": {"__kea_settled": {"failed": True, "msg": "c2: no journal"}}}, "c2: no journal"),
        (
            {
                "c1": {"__kea_trouble": "c1: left as it is, because its partner failed"},
                "c2": {"__kea_peer": {"unreachable": True, "msg": "x"}},
            },
            "c2: the host cannot be reached any more",
        ),
        (
            {"c2": {"__kea_setup": {"unreachable": True}, "__kea_checked": {"failed": True, "msg": REPORT}}},
            "c2: kea_ha_port = '80': in use. [P09]",
        ),
        (
            {"c1": {"__kea_secret_file": {"failed": True, "msg": "hunter2"}}},
            "c1: the password of the API could not be put in place",
        ),
        ({}, "see its messages above"),
    ],
)
def test_why_a_pair_broke(sites, results, reason):
    found = report(sites, ["c1", "c2"], "c1", **results)
    assert found["lines"][:2] == ["roll-out: 3 of 4 pairs came through, 1 did not", f"  c  {reason}"]
    assert found["lines"][2] == "Mend the cause and run again: where all is well, nothing is done."
    assert not found["halted"]


def test_many_that_were_not_begun_are_counted(tmp_path):
    hosts = {f"h{n:02}{half}": {"kea_pair": f"p{n:02}"} for n in range(30) for half in "ab"}
    made = Inventory(tmp_path, {"kea": {"vars": {"kea_rollout": [1]}, "hosts": hosts}})
    names = list(hosts)
    found = _rollouts.report(made.hostvars, names, names[1:], "h00b")
    assert found["lines"][3].startswith("Not begun: 29 pairs: p01, p02, ")
    assert found["lines"][3].endswith(", p20 and 9 more.")


# --- the play of site.yml, with other work in it ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def playbook(tmp_path_factory):
    """The last play of site.yml, its hosts, batches and end as they are; its block only fails for some hosts."""
    play = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8"))[-1]
    fail = {"ansible.builtin.fail": {"msg": "told to"}, "when": "inventory_hostname in fail_on"}
    follow = {"ansible.builtin.assert": {"that": "inventory_hostname[0] ~ '1' in ansible_play_hosts"}}
    play["tasks"][-1]["block"] = [{**fail, "register": "__kea_packages"}, follow]
    first = {"hosts": "kea", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "checked"}}]}
    after = {"hosts": "kea", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "afterwards"}}]}
    path = tmp_path_factory.mktemp("play") / "site.yml"
    path.write_text(yaml.safe_dump([first, play, after]), encoding="utf-8")
    return path


def played(tmp_path, playbook, fail_on, *more, rollout=(1, "50%")):
    (tmp_path / "hosts.yml").write_text(SITES, encoding="utf-8")
    variables = yaml.safe_dump({"fail_on": fail_on, "kea_rollout": list(rollout)}, default_flow_style=True)
    options = ("-i", tmp_path / "hosts.yml", playbook, "-e", variables.strip())
    done = run("ansible-playbook", *options, *more, folder=tmp_path, cwd=ROOT)
    assert not done.contacted
    recap = re.findall(r"(\w+) : ok=\d+ changed=\d+ unreachable=\d+ failed=(\d)", done.output.split("PLAY RECAP")[1])
    begun = [host for host in ALL if f"[{host}]" in done.output.split("PLAY", 2)[2]]
    return done, begun, sorted(host for host, failed in recap if failed != "0")


def test_all_batches_come_through(tmp_path, playbook):
    done, begun, failed = played(tmp_path, playbook, [])
    assert (done.code, begun, failed) == (0, ALL, [])
    assert "roll-out: all 4 pairs came through" in done.output and "afterwards" in done.output
    assert done.output.count("PLAY [Deploy the pairs]") == 3
    assert "roll-out: batch 2 of 3, 2 pairs: a, b" in done.output


def test_a_broken_trial_ends_the_run_before_anybody_else_is_touched(tmp_path, playbook):
    done, begun, failed = played(tmp_path, playbook, ["t1"])
    assert (done.code, begun, failed) == (2, ["t1", "t2"], ["t1", "t2"])
    assert "' trial t1: told to'" in done.output and "Not begun: 3 pairs: a, b, c." in done.output
    assert "--limit ''kea:!trial''" in done.output
    assert "afterwards" not in done.output


def test_a_broken_pair_stops_nobody_of_its_batch_but_the_next_one(tmp_path, playbook):
    done, begun, failed = played(tmp_path, playbook, ["b1"])
    assert (done.code, begun, failed) == (2, ALL[:6], ["b1", "b2"])
    assert "' b b1: told to'" in done.output and "Not begun: 1 pair: c." in done.output
    assert "roll-out: 2 of 4 pairs came through, 1 did not" in done.output and "afterwards" not in done.output


def test_a_tolerated_one_does_not(tmp_path, playbook):
    done, begun, failed = played(tmp_path, playbook, ["b1"], "-e", "kea_rollout_max_failures=1")
    assert (done.code, begun, failed) == (2, ALL, ["b1", "b2"])
    assert "roll-out: 3 of 4 pairs came through, 1 did not" in done.output and "Not begun" not in done.output


def test_without_the_broken_trial_the_next_pair_is_the_trial(tmp_path, playbook):
    done, begun, failed = played(tmp_path, playbook, ["t1"], "--limit", "kea:!trial")
    assert (done.code, begun, failed) == (0, ALL[2:], [])
    assert "roll-out: batch 1 of 3, 1 pair: a" in done.output and "all 3 pairs came through" in done.output


def test_the_way_on_keeps_to_the_limit_of_the_run(tmp_path, playbook):
    done, begun, _failed = played(tmp_path, playbook, ["a1"], "--limit", "north,south")
    assert begun == ["a1", "a2"] and "--limit ''north,south,!a''" in done.output


def test_all_at_once_a_broken_pair_is_named_and_stops_nobody(tmp_path, playbook):
    done, begun, failed = played(tmp_path, playbook, ["t1"], rollout=())
    assert (done.code, begun, failed) == (2, ALL, ["t1", "t2"])
    assert done.output.count("PLAY [Deploy the pairs]") == 1 and "' trial t1: told to'" in done.output


def test_one_pair_alone_hears_nothing_of_roll_outs(tmp_path, playbook):
    done, begun, failed = played(tmp_path, playbook, [], "--limit", "north:!a")
    assert (done.code, begun, failed) == (0, ["b1", "b2"], [])
    assert "roll-out:" not in done.output
