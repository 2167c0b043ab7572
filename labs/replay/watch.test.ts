import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, expect, it } from "vitest";
import { findLab } from "../runner/manifest.ts";
import { ownTree } from "../runner/own-tree.ts";
import { ROOT_DIR } from "../runner/paths.ts";
import { writeReference } from "../runner/workspace.ts";
import { OwnPart } from "../testing/own-part.ts";
import { makeReplay } from "./make.ts";
import type { Replay } from "./recording.ts";
import { failedCase, ReplayServer } from "./replay-lab.ts";

const CASE = "a member that was disconnected does not disrupt the cluster";
const soon = { clock: systemClock(), timeout_ms: 60_000, interval_ms: 50 };
const own = new OwnPart("watch-replay", ["03"]);
afterAll(() => own.remove());

it("the replay is of the first failure that names its seed", () => {
  const failed = (title: string, message: string) => ({ title, message, passed: false });
  const again = './r2k lab check 03 --only "x" --seed 7 --runs 1';
  expect(failedCase([failed("rule", "no seed"), failed("x", `y\n${again}`)])).toEqual({
    only: "x",
    seed: 7,
  });
  expect(failedCase([{ title: "x", message: "", passed: true }])).toEqual({});
});

it("a scenario that the lab's page does not show can be recorded", async () => {
  const only = "a voter crashes right after its vote";
  const lab = findLab("3");
  expect(lab.replay!.files).not.toContain("safety.check.ts");
  const made = await makeReplay(lab, { trees: [], only, source: "the reference", again: "3" });
  expect(made.cases.map(({ title }) => title)).toEqual([only]);
});

it("a check that is no scenario is watched with all cases of the lab", async () => {
  const lab = findLab("2");
  const server = await ReplayServer.listen(lab, 0);
  await server.judged({ reference: true, only: "one flipped bit" }, []);
  const page = await (await fetch(server.url)).text();
  expect(page).toContain("appends, syncs and a power loss");
  await server.close();
});

it("lab watch serves the replay of the scenario that failed, and of the next save", async () => {
  const lab = findLab("3");
  const tree = ownTree("03", own.env);
  writeReference(
    lab,
    tree,
    lab.mutants.find(({ name }) => name.startsWith("campaigns without")),
  );
  const said = own.start(join(ROOT_DIR, "cli/main.ts"), ["lab", "watch", "3", "--only", CASE]);
  const url = await waitFor("the page's address", () => /http:\S+/.exec(said())?.[0], soon);
  const served = async (): Promise<Replay | undefined> => {
    const page = await (await fetch(url)).text();
    const json = /id="replay">(.*)<\/script>/.exec(page)?.[1];
    return json === undefined ? undefined : (JSON.parse(json) as Replay);
  };
  const first = await waitFor("the first replay", served, soon);
  expect(first.cases.map(({ title }) => title)).toEqual([CASE]);
  expect(first.cases[0]!.own.failure).toContain("times out repeatedly");
  expect(first.cases[0]!.deviation).toBeDefined();
  writeReference(lab, tree);
  appendFileSync(join(tree, lab.files[0]!), "\n");
  const repaired = async () => {
    const replay = await served();
    return replay?.cases.find(({ title, own: run }) => title === CASE && !run.failure);
  };
  expect((await waitFor("the replay of the next save", repaired, soon)).deviation).toBeUndefined();
});
