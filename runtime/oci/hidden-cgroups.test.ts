import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isHybrid } from "./hybrid-cgroups.ts";

const MODULE = join(import.meta.dirname, "hidden-cgroups.ts");
const SCRIPT = `
import { existsSync } from "node:fs";
import { hideCgroups, showCgroups } from ${JSON.stringify(MODULE)};
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
const { mountPoint } = readMountInfo().find(({ type }) => type === "cgroup2");
const steps = [];
const step = (change, mark) => {
  change(mark);
  steps.push(!existsSync(mountPoint + "/cgroup.controllers"));
};
step(hideCgroups, "one");
step(hideCgroups, "two");
step(hideCgroups, "two");
step(showCgroups, "one");
step(showCgroups, "one");
step(showCgroups, "two");
console.log(JSON.stringify(steps));
`;

it.runIf(process.getuid?.() === 0 && isHybrid())(
  "the v2 hierarchy is hidden until the last of two runtimes ends, in any order",
  () => {
    // In mounts of its own: this process's runtimes see those of the machine.
    const program = ["--mount", process.execPath, "--input-type=module-typescript", "-e", SCRIPT];
    const options = { encoding: "utf8", cwd: import.meta.dirname } as const;
    const said = execFileSync("unshare", program, options);
    expect(JSON.parse(said)).toEqual([true, true, true, true, true, false]);
  },
);
