import { deviceRule } from "@raft2kube/runtime/by-hand/cgroup.ts";
import { planMount } from "@raft2kube/runtime/by-hand/mounts.ts";
import { CLONE, unshareFlags } from "@raft2kube/runtime/by-hand/namespaces.ts";
import type { OciDeviceRule, OciNamespace } from "@raft2kube/runtime/oci/spec.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";

function names(flags: number): string {
  const found = Object.entries(CLONE).filter(([, flag]) => flags & flag);
  return (
    found
      .map(([name]) => name)
      .sort()
      .join(", ") || "none"
  );
}

check("plans: new namespaces are those without a path", () => {
  const asked: OciNamespace[] = [
    { type: "pid" },
    { type: "mount" },
    { type: "network", path: "/run/netns/pod" },
    { type: "uts", path: "/proc/7/ns/uts" },
  ];
  const happened = names(unshareFlags(asked));
  judge(happened === "mount, pid", {
    when: "pid and mount without a path, network and uts of the pod",
    expected: "new: mount, pid",
    happened: `new: ${happened}`,
    why: "a container with a network of its own has no address: that is its pod's",
  });
});

/** Options of mounts, and the plan as text. */
const OPTIONS: readonly (readonly [string, string, string])[] = [
  ["nosuid,noexec,nodev", "nosuid noexec nodev", "set-id programs in /proc would be trusted"],
  ["nodev,noexec,ro,nosuid", "ro nosuid noexec nodev", "the last option must not undo the others"],
  ["bind,noexec", "bind noexec", "rbind would bring the mounts beneath along"],
  ["rbind,rprivate,ro", "bind recursive ro", "a read-only volume can be written"],
  ["rbind,rro", "bind recursive ro beneath", "a mount beneath the volume can be written"],
  ["nosuid,strictatime,mode=755,size=64k", "nosuid data mode=755,size=64k", "no limit: 64 KiB"],
];

check("plans: mount options are flags, or the file system's own", () => {
  for (const [options, expected, why] of OPTIONS) {
    const { bind, recursive, attributes, recursiveReadOnly, data } = planMount(options.split(","));
    const words = [
      bind && "bind",
      recursive && "recursive",
      attributes & 1 && "ro",
      attributes & 2 && "nosuid",
      attributes & 8 && "noexec",
      attributes & 4 && "nodev",
      recursiveReadOnly && "beneath",
      data && `data ${data}`,
    ];
    const happened = words.filter(Boolean).join(" ");
    judge(happened === expected, { when: `options ${options}`, expected, happened, why });
  }
});

const RULES: readonly (readonly [OciDeviceRule, string])[] = [
  [{ allow: false, access: "rwm" }, "a *:* rwm"],
  [{ allow: true, type: "c", access: "m" }, "c *:* m"],
  [{ allow: true, type: "c", major: 1, minor: 3, access: "rwm" }, "c 1:3 rwm"],
  [{ allow: true, type: "b", major: 0, minor: 0, access: "r" }, "b 0:0 r"],
];

check("plans: device rules in the words of the devices cgroup", () => {
  for (const [rule, expected] of RULES) {
    const happened = deviceRule(rule);
    judge(happened === expected, {
      when: JSON.stringify(rule),
      expected,
      happened,
      why: "a container's root may make device nodes: only this rule keeps it from the disk",
    });
  }
});
