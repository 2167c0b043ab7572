import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findLab } from "./manifest.ts";
import { LABS_DIR } from "./paths.ts";
import { describeEnd, describeLeftOut } from "./report.ts";
import type { CheckEvent } from "./run-checks.ts";

/** The events of a lab's checks with this in their title, as an ordinary user gets them. */
function eventsInUserNamespace(folder: string, file: string, only: string): CheckEvent[] {
  const words = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"];
  const runner = [join(LABS_DIR, "runner/overlay.ts"), join(LABS_DIR, "runner/run-checks.ts")];
  const program = [process.execPath, "--import", ...runner, join(LABS_DIR, folder, file)];
  const { output } = spawnSync("unshare", [...words, "--mount-proc", ...program], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
    env: { ...process.env, R2K_LAB_OPTIONS: JSON.stringify({ only }) },
    encoding: "utf8",
  });
  const lines = (output[3] ?? "").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as CheckEvent);
}

it("a check that takes root is left out as an ordinary user, with the command that runs it", () => {
  const lab = findLab("1");
  const events = eventsInUserNamespace(lab.folder, "lifecycle.check.ts", "(as root)");
  const leftOut = events.filter((event) => event.kind === "left-out");
  expect(leftOut.length).toBeGreaterThan(3);
  const kinds = leftOut.map(({ kind }) => kind);
  expect(events.map(({ kind }) => kind)).toEqual(["loaded", ...kinds, "over"]);
  expect(leftOut.map(describeLeftOut).join("\n")).toMatch(/\(as root\): left out, .*sudo npm run/);
});

it("what is left out is counted, and does not count as passed", () => {
  const outcomes = [{ title: "one", passed: true, message: "" }];
  const leftOut = [{ title: "other (as root)", reason: "it takes root" }];
  const verdict = { outcomes, leftOut, stopped: false, trees: [], costs: {} };
  const end = describeEnd(findLab("1"), {}, verdict);
  expect(end).toContain("1 of 1 checks pass; 1 left out");
});
