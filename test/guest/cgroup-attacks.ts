import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Node } from "../contract/kubelet/fixture.ts";
import { SLEEP, sh, spec } from "../contract/kubelet/specs.ts";

/** Files of a cgroup by which a pod would give itself more, or reach others. */
const FILES: Readonly<Record<string, string>> = {
  "cgroup.procs": "0",
  "cgroup.threads": "0",
  "cgroup.subtree_control": "+pids",
  "cgroup.type": "threaded",
  "cgroup.max.descendants": "max",
  "cgroup.freeze": "0",
  "memory.max": "max",
  "memory.high": "max",
  "memory.oom.group": "0",
  "pids.max": "max",
  "cpu.max": "max",
  "cpu.weight": "10000",
};

/** Makes a device node, and reads what it starts with. */
const opens = (device: string, begin: string) =>
  `rm -f /tmp/device; mknod /tmp/device ${device} && head -c 6 /tmp/device | grep -q '${begin}'`;

/** Attacks by name, commands that end well when they succeed, and one that prepares them. */
type Attacks = { readonly prepare: string; readonly attacks: Readonly<Record<string, string>> };

function allAttacks(loop: string): readonly Attacks[] {
  const [major, minor] = loop.split(":");
  const writes = (where: string, root: string, prepare = "true"): Attacks => {
    const files = Object.entries(FILES).map(([file, text]) => {
      return [`${where}: ${file}`, `echo ${text} > ${root}/${file}`] as const;
    });
    const made = `mkdir ${root}/x && echo 0 > ${root}/x/cgroup.procs`;
    const ofNew = [`${where}: cgroup.procs of a new one`, made] as const;
    return { prepare, attacks: Object.fromEntries([...files, ofNew]) };
  };
  const alone = (what: string, attack: string): Attacks => {
    return { prepare: "true", attacks: { [what]: attack } };
  };
  const v1 = (name: string) => `mount -t cgroup -o ${name} cgroup /tmp/m`;
  return [
    writes("mount", "/sys/fs/cgroup"),
    writes("second mount", "/tmp/m", "mount -t cgroup2 cgroup2 /tmp/m"),
    writes("bind mount", "/tmp/m", "mount -o bind /sys/fs/cgroup /tmp/m"),
    alone("mount made writable", "mount -o remount,rw /sys/fs/cgroup"),
    alone("version 1, release_agent", `${v1("pids")} && echo /x > /tmp/m/release_agent`),
    alone("version 1, devices", `${v1("devices")} && echo a > /tmp/m/devices.allow`),
    alone("sysfs again", "mount -t sysfs sysfs /tmp/m && echo x > /tmp/m/kernel/uevent_helper"),
    {
      prepare: "true",
      attacks: {
        "the exit status of User-Mode Linux":
          "echo 7 > /proc/exitcode && test $(cat /proc/exitcode) = 7",
        "a disk of the machine": opens(`b ${major} ${minor}`, "SECRET"),
        "the log of the kernel": opens("c 1 11", "."),
        // By which a line could stop a guest.
        "the console": "rm -f /tmp/device; mknod /tmp/device c 5 1 && : > /tmp/device",
        "a device that all have": opens("c 1 8", ""),
      },
    },
  ];
}

const main = (more: object = {}) => [
  sh("main", SLEEP, { resources: { limits: { memory: "32Mi" } }, ...more }),
];
/** The pods that attack; the last may do all, which shows that the attacks are real. */
export const ATTACKERS: Readonly<Record<string, Pod["spec"]>> = {
  confined: spec(main({ securityContext: { seccompProfile: { type: "RuntimeDefault" } } })),
  unfiltered: spec(main({ securityContext: { seccompProfile: { type: "Unconfined" } } })),
  almighty: spec(main({ securityContext: { privileged: true } })),
};

/** A block device that is the machine's own; `major:minor`. */
function makeDisk(): string {
  const file = "/run/disk";
  writeFileSync(file, Buffer.from("SECRET".padEnd(1 << 20, "\0")));
  const device = execFileSync("losetup", ["-f", "--show", file], { encoding: "utf8" }).trim();
  return readFileSync(`/sys/block/${device.replace("/dev/", "")}/dev`, "utf8").trim();
}

/**
 * A script that says which attacks succeed. Those that need the same are made by one shell that
 * `enter` starts, each in a process of its own: in a guest a program takes a fifth of a second.
 */
function script(enter: string, loop: string): string {
  const lines = allAttacks(loop).map(({ prepare, attacks }) => {
    const tries = Object.entries(attacks).map(([what, command]) => {
      return `(${command}) >/dev/null && echo "${what}"`;
    });
    const quoted = `${prepare} || exit; ${tries.join("; ")}`.replaceAll("'", `'\\''`);
    return `${enter}sh -c '${quoted}' 2>/dev/null; umount /tmp/m 2>/dev/null`;
  });
  return `${lines.join("\n")}\ntrue\n`;
}

/**
 * Attacks from each pod, with and without a user namespace of its own, which the program `tool`
 * makes; what succeeded.
 */
export async function attack(
  node: Node,
  tool: string,
  cgroupOf: (pod: Pod) => string,
): Promise<Record<string, string[]>> {
  const loop = makeDisk();
  const succeeded: Record<string, string[]> = {};
  for (const name of Object.keys(ATTACKERS)) {
    const pod = await node.untilReady(name);
    const [pid] = readFileSync(join(cgroupOf(pod), "cgroup.procs"), "utf8").split("\n");
    const tmp = `/proc/${pid}/root/tmp`;
    mkdirSync(`${tmp}/m`);
    copyFileSync(tool, `${tmp}/own`);
    chmodSync(`${tmp}/own`, 0o755);
    for (const [how, enter] of [
      ["", ""],
      [" in a user namespace", "/tmp/own "],
    ] as const) {
      writeFileSync(`${tmp}/attacks`, script(enter, loop));
      const said = await node.exec(name, "main", "sh", "/tmp/attacks");
      succeeded[name + how] = said.split("\n").filter(Boolean);
    }
    const entered = await node.exec(name, "main", "sh", "-c", "/tmp/own true; echo $?");
    succeeded[`${name}: unshare`] = [entered.trim()];
  }
  return succeeded;
}
