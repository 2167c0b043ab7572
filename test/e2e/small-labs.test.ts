import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, readLabs } from "../../labs/runner/manifest.ts";
import { LABS_DIR } from "../../labs/runner/paths.ts";
import { judgeSteps, namespaceOf, stepsOf } from "../../labs/runner/steps.ts";
import { writeSkeletons } from "../../labs/runner/workspace.ts";
import { inTurn } from "../../testing/drawn.ts";
import { suiteFolder } from "../../testing/folders.ts";
import type { TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

/** How long a state of a solution may take; what a lab starts with is asked for one time. */
const PATIENCE_MS = 90_000;
/** Labs of that path that a run judges; `assembled.test.ts` judges the assembled cluster's steps. */
const LABS_DRAWN = 2;
const SMALL = readLabs().filter(({ path, walk }) => path === "small" && walk !== undefined);
const LABS = inTurn("small labs", SMALL, LABS_DRAWN);

let cluster: TestCluster;
const folder = suiteFolder("r2k-small-labs-");

beforeAll(async () => {
  cluster = await sharedCluster("small-labs");
});

afterAll(async () => {
  const words = ["delete", "namespace", "--ignore-not-found", "--wait=false"];
  await cluster?.kubectl([...words, ...LABS.map(namespaceOf), "lab-33-b"]);
  await cluster?.leave();
});

/** Runs a command on the cluster's host; returns what it prints. */
async function shell(command: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { NS = "", MY = "" } = env;
  const words = ["-c", `exec 2>&1; ${command}`];
  return (await cluster.host.run("sh", words, { env: { ...cluster.env, NS, MY } })).stdout;
}

/** Titles of the steps that do not pass. */
async function failing(lab: Lab, my: string, patience_ms: number): Promise<string[]> {
  const request = { folder: my, env: {}, shell, patience_ms };
  const { outcomes } = await judgeSteps(lab, request);
  return outcomes.filter(({ passed }) => !passed).map(({ title }) => title);
}

describe("each small lab", () => {
  it.each(LABS.map((lab) => [lab.number, lab] as const))("%s", async (number, lab) => {
    const my = join(folder, number);
    writeSkeletons(lab, my);
    await shell(`kubectl apply -f ${my}/given.yaml`, {});
    const asked = stepsOf(lab)
      .filter(({ holds }) => !holds)
      .map(({ title }) => title);
    expect(await failing(lab, my, 0), "without a solution").toEqual(expect.arrayContaining(asked));
    cpSync(join(LABS_DIR, lab.folder, "solution"), my, { recursive: true });
    const applied = await shell(`kubectl apply -f ${my}/given.yaml`, {});
    const commands = join(my, "commands.sh");
    const script = existsSync(commands) ? readFileSync(commands, "utf8") : "";
    const said = await shell(script, { NS: namespaceOf(lab) });
    expect(await failing(lab, my, PATIENCE_MS), `${applied}${said}`).toEqual([]);
  });
});
