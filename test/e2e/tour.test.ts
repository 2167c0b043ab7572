import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestCluster } from "./cluster.ts";

const ROOT = join(import.meta.dirname, "../..");
const README = join(ROOT, "labs/00-tour/README.md");
const START_TIMEOUT_MS = 180_000;
const COMMAND_TIMEOUT_MS = 60_000;

interface Walk {
  readonly command: string;
  readonly expected: readonly string[];
}

/** The commands of the README's `console` blocks, each with the lines that stand below it. */
function walksOf(markdown: string): Walk[] {
  const blocks = [...markdown.matchAll(/^```console\n(.*?)^```$/gms)].map((match) => match[1]!);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = "", ...expected] = part.trimEnd().split("\n");
        return { command, expected };
      }),
  );
}

/** A printed line as it is compared: the columns' widths do not matter. */
function squeezed(line: string): string {
  return line.trim().replace(/\s+/g, " ");
}

/** Whether a line is as expected; `...` stands for anything. */
function fits(line: string, expected: string): boolean {
  const parts = expected.split("...").map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(line);
}

/** The printed lines, with the expected ones in the place of those that fit them. */
function compared(printed: string, expected: readonly string[]): string[] {
  return printed
    .trimEnd()
    .split("\n")
    .map(squeezed)
    .map((line, i) => {
      const wanted = squeezed(expected[i] ?? "");
      return fits(line, wanted) ? wanted : line;
    });
}

const walks = walksOf(readFileSync(README, "utf8"));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start("tour");
  // The tour's reader comes when all is there.
  await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
}, START_TIMEOUT_MS);

afterAll(() => cluster?.close(), START_TIMEOUT_MS);

it("the README has commands to try", () => {
  expect(walks.length).toBeGreaterThan(10);
});

describe("the tour", { timeout: COMMAND_TIMEOUT_MS }, () => {
  it.each(walks)("$command", async ({ command, expected }) => {
    // As root nothing is asked for; sudo would drop the variables that move the cluster's folders.
    const script = `cd "$R2K_ROOT" && ${command.replaceAll("sudo ", "")}`;
    const path = `${ROOT}:${process.env["PATH"] ?? ""}`;
    const env = { ...cluster.env, PATH: path, R2K_ROOT: ROOT };
    const { stdout, stderr } = await cluster.host.run("sh", ["-c", script], { env });
    const printed = stdout.trim() === "" ? stderr : stdout;
    expect(compared(printed, expected)).toEqual(expected.map(squeezed));
  });
});
