import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  type Mount,
  MountPropagation,
  SupplementalGroupsPolicy,
} from "@raft2kube/proto/gen/cri.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { ACCOUNT_FILE_BYTES, ACCOUNT_FILE_LINES, SUPPLEMENTAL_GROUPS_MAX } from "../limits.ts";
import { capabilitySets, ownCapabilities } from "./capabilities.ts";
import { devicesFor } from "./devices.ts";
import { knowsRecursiveReadOnly } from "./features.ts";
import { combineMounts, volumeMounts } from "./mounts.ts";
import { clampOomScore, resourcesFor } from "./resources.ts";
import { defaultProfile } from "./seccomp.ts";
import type { OciSeccomp } from "./spec.ts";
import { ALLOWED, ALLOWED_BY_CAPABILITY } from "./syscalls.ts";
import { sysctlsFor } from "./sysctls.ts";
import { mappedUser, resolveUser } from "./user.ts";

describe("capabilities", () => {
  const all = ownCapabilities("CapEff:\t000001ffffffffff\n");
  const root = { privileged: false, root: true, own: all };

  test("ALL is dropped before single ones are added, whatever the order", () => {
    const wanted = { addCapabilities: ["NET_ADMIN", "cap_chown"], dropCapabilities: ["all"] };
    expect(capabilitySets(wanted, root).effective).toEqual(["CAP_CHOWN", "CAP_NET_ADMIN"]);
  });

  test("none is inherited by programs with file capabilities (CVE-2022-24769)", () => {
    expect(capabilitySets({ addCapabilities: ["ALL"] }, root).inheritable).toEqual([]);
    expect(capabilitySets(undefined, { ...root, privileged: true }).inheritable).toEqual([]);
  });

  test("a user other than root starts without, except ambient ones", () => {
    const sets = capabilitySets({ addAmbientCapabilities: ["NET_RAW"] }, { ...root, root: false });
    expect(sets.effective).toEqual(["CAP_NET_RAW"]);
    expect(sets.ambient).toEqual(["CAP_NET_RAW"]);
    expect(sets.bounding).toContain("CAP_CHOWN");
  });

  test("a capability that the runtime lacks is not granted", () => {
    const own = new Set([...all].filter((name) => name !== "CAP_SYS_RESOURCE"));
    const { bounding } = capabilitySets(undefined, { privileged: true, root: true, own });
    expect(bounding).toContain("CAP_SYS_ADMIN");
    expect(bounding).not.toContain("CAP_SYS_RESOURCE");
    expect(bounding).toHaveLength(40);
  });

  test("an unknown one is named", () => {
    expect(() => capabilitySets({ addCapabilities: ["SYS_MAGIC"] }, root)).toThrow(/SYS_MAGIC/);
  });
});

describe("sysctls", () => {
  const own = { network: true, ipc: true };

  test("those of the pod's namespaces pass, in either spelling", () => {
    const wanted = { "net/ipv4/tcp_syncookies": "0", "kernel.shmmax": "1" };
    expect(sysctlsFor(wanted, own)).toMatchObject({
      "net.ipv4.tcp_syncookies": "0",
      "kernel.shmmax": "1",
    });
  });

  test("processes of a network of their own may use any port and ping, unless the pod says", () => {
    const all = { ...own, mapsAllGroups: true };
    expect(sysctlsFor({}, all)).toEqual({
      "net.ipv4.ip_unprivileged_port_start": "0",
      "net.ipv4.ping_group_range": "0 2147483647",
    });
    const given = { "net.ipv4.ping_group_range": "1 0" };
    expect(sysctlsFor(given, all)).toMatchObject(given);
    expect(sysctlsFor({}, own)).not.toHaveProperty(["net.ipv4.ping_group_range"]);
    expect(sysctlsFor({}, { ...all, network: false })).toEqual({});
  });

  test.each([
    ["kernel.core_pattern", "|/bin/sh", own],
    ["vm.overcommit_memory", "1", own],
    ["net.ipv4.ip_forward", "1", { network: false, ipc: true }],
    ["kernel.shmmax", "1", { network: true, ipc: false }],
    ["kernel.shmmax+kernel.core_pattern", "1", own],
    ["net.ipv4.ip_forward", "1\nkernel.core_pattern = x", own],
  ])("%s = %j is refused", (name, value, namespaces) => {
    expect(() => sysctlsFor({ [name]: value }, namespaces)).toThrow(/sysctl/);
  });
});

describe("users", () => {
  let root: string;
  beforeEach(() => {
    root = testFolder("r2k-user-");
    mkdirSync(path.join(root, "etc"));
    writeFileSync(path.join(root, "etc/passwd"), "root:x:0:0::/:\nweb:x:33:34::/:\n");
    writeFileSync(path.join(root, "etc/group"), "root:x:0:\nlogs:x:40:web,root\nmail:x:8:\n");
  });

  test.each([
    ["", {}, { uid: 0, gid: 0, additionalGids: [0, 40] }],
    ["web", {}, { uid: 33, gid: 34, additionalGids: [34, 40] }],
    ["web:mail", {}, { uid: 33, gid: 8, additionalGids: [8, 40] }],
    ["1234", {}, { uid: 1234, gid: 0, additionalGids: [0] }],
    ["web", { runAsUser: { value: 5 } }, { uid: 5, gid: 0, additionalGids: [0] }],
    [
      "web",
      { runAsUser: { value: 33 }, runAsGroup: { value: 7 }, supplementalGroups: [9] },
      { uid: 33, gid: 7, additionalGids: [7, 40, 9] },
    ],
    [
      "web",
      { supplementalGroupsPolicy: SupplementalGroupsPolicy.Strict },
      { uid: 33, gid: 34, additionalGids: [34] },
    ],
  ])("image user %j with %j is %j", (image, context, user) => {
    expect(resolveUser(root, image, context)).toEqual(user);
  });

  test.each([
    ["web", { runAsUser: { value: 1000 } }, { uid: 1000, gid: 0, additionalGids: [0] }],
    ["1000", {}, { uid: 1000, gid: 0, additionalGids: [0] }],
    ["1000:1000", {}, { uid: 1000, gid: 1000, additionalGids: [1000] }],
    ["", { runAsUsername: "1000" }, { uid: 1000, gid: 0, additionalGids: [0] }],
  ])("a number is never a name: %j with %j is %j", (image, context, user) => {
    // The image's author chose names that look like ids.
    writeFileSync(path.join(root, "etc/passwd"), "1000:x:0:0::/:\nroot:x:0:0::/:\n");
    writeFileSync(path.join(root, "etc/group"), "1000:x:0:\nroot:x:0:1000\n");
    expect(resolveUser(root, image, context)).toEqual(user);
  });

  test("groups of the pod and of the image are bounded together", () => {
    const line = (_: unknown, at: number) => `g${at}:x:${1_000 + at}:root`;
    const ofImage = Array.from({ length: SUPPLEMENTAL_GROUPS_MAX - 2 }, line);
    writeFileSync(path.join(root, "etc/group"), ofImage.join("\n"));
    const groups = (...supplementalGroups: number[]) =>
      resolveUser(root, "", { supplementalGroups }).additionalGids.length;
    expect(groups(1)).toBe(SUPPLEMENTAL_GROUPS_MAX);
    expect(() => groups(1, 2)).toThrow(/has 1001 groups, more than 1000/);
  });

  test("lines without ids are skipped, and no id is out of range", () => {
    const lines = ["a:x::", "b", "c:x:0x0:0", "d:x:-1:0", "e:x:9999999999:0"];
    writeFileSync(path.join(root, "etc/passwd"), lines.join("\n"));
    for (const user of ["a", "b", "c", "d", "e", "2147483648", "-1"]) {
      expect(() => resolveUser(root, user)).toThrow(/the image has no user/);
    }
    expect(() => resolveUser(root, "0:4294967296")).toThrow(/the image has no group/);
    expect(() => resolveUser(root, "", { runAsUser: { value: -1 } })).toThrow(/-1 is no user/);
  });

  test("an account file that is a device or too large is refused", () => {
    rmSync(path.join(root, "etc/passwd"));
    symlinkSync("/dev/zero", path.join(root, "etc/passwd"));
    mkdirSync(path.join(root, "dev"));
    writeFileSync(path.join(root, "dev/zero"), Buffer.alloc(ACCOUNT_FILE_BYTES + 1));
    expect(() => resolveUser(root, "web")).toThrow(/etc\/passwd cannot be read.*more than/);
  });

  test("an account file of so many lines that they take long to parse is refused", () => {
    const file = path.join(root, "etc/group");
    const last = (lines: number) => `${"\n".repeat(lines - 2)}last:x:7:\n`;
    writeFileSync(file, last(ACCOUNT_FILE_LINES));
    expect(resolveUser(root, "web:last")).toMatchObject({ gid: 7 });
    writeFileSync(file, last(ACCOUNT_FILE_LINES + 1));
    expect(() => resolveUser(root, "web:last")).toThrow(/etc\/group cannot be read.*10000 lines/);
  });

  test("an account file that links out of the image is read inside it", () => {
    rmSync(path.join(root, "etc/passwd"));
    symlinkSync("/etc/shadow-of-the-host", path.join(root, "etc/passwd"));
    expect(() => resolveUser(root, "web")).toThrow(/no user "web"/);
  });
});

describe("limits", () => {
  test("zero means not set, and huge pages are refused only when asked for", () => {
    const hugepageLimits = [{ pageSize: "2MB", limit: 0 }];
    const limits = { cpuShares: 0, cpuQuota: 5000, memoryLimitInBytes: 0, hugepageLimits };
    expect(resourcesFor(limits, { cgroupVersion: 2 })).toEqual({ cpu: { quota: 5000 } });
    const wanted = { hugepageLimits: [{ pageSize: "2MB", limit: 1 }] };
    expect(() => resourcesFor(wanted, { cgroupVersion: 2 })).toThrow(/hugepages-2MB/);
  });

  test("the OOM score goes no lower than may be set", () => {
    expect(clampOomScore(-998, new Set(["CAP_SYS_RESOURCE"]))).toBe(-998);
    expect(clampOomScore(-998, new Set())).toBeGreaterThan(-998);
    expect(clampOomScore(900, new Set())).toBe(900);
  });
});

test("a volume replaces the mount of its path, others stay before it", () => {
  const mount = (destination: string, source: string) => ({
    destination,
    source,
    type: "bind",
    options: [],
  });
  const base = [mount("/proc", "proc"), mount("/etc/hosts", "a")];
  // A pattern for the last slashes would take hours for these.
  const long = mount(`/data${"/".repeat(1_000_000)}d`, "c");
  const volumes = [mount("/etc/hosts/", "b"), long];
  expect(combineMounts(base, volumes).map(({ source }) => source)).toEqual(["proc", "b", "c"]);
});

const ORDINARY = { privileged: false };

test("devices are denied but for the harmless ones and those asked for", () => {
  const device = { hostPath: "/dev/null", containerPath: "/dev/x", permissions: "r" };
  const { devices, rules } = devicesFor([device], ORDINARY);
  expect(devices).toMatchObject([{ path: "/dev/x", type: "c", major: 1, minor: 3 }]);
  expect(rules[0]).toEqual({ allow: false, access: "rwm" });
  expect(rules.at(-1)).toEqual({ allow: true, type: "c", major: 1, minor: 3, access: "r" });
  expect(() => devicesFor([{ ...device, hostPath: "/dev/no" }], ORDINARY)).toThrow(/\/dev\/no/);
});

test("of two devices at one place the container has the later one, and may use both", () => {
  const of = (hostPath: string) => ({ hostPath, containerPath: "/dev/x", permissions: "r" });
  const { devices, rules } = devicesFor([of("/dev/null"), of("/dev/zero")], ORDINARY);
  expect(devices).toMatchObject([{ path: "/dev/x", major: 1, minor: 5 }]);
  expect(rules.slice(-2)).toMatchObject([{ minor: 3 }, { minor: 5 }]);
});

test.each(["../../etc/profile.d/x.sh", "dev/x", "/dev/../../etc/x", ""])(
  "a device has no place at %j, which the OCI runtime would follow on the host",
  (place) => {
    const device = { hostPath: "/dev/null", containerPath: place, permissions: "rw" };
    for (const privileged of [false, true]) {
      expect(() => devicesFor([device], { privileged })).toThrow(/absolute path/);
    }
  },
);

test("in a user namespace a device has the place that it has on the node, and no other", () => {
  const device = { hostPath: "/dev/null", containerPath: "/etc", permissions: "rw" };
  const options = { privileged: false, hasOwnIds: true };
  expect(() => devicesFor([device], options)).toThrow(/user namespace/);
  const same = { ...device, containerPath: "/dev/null" };
  expect(devicesFor([same], options).devices).toMatchObject([{ path: "/dev/null" }]);
});

test("a privileged container has the node's devices, and at its place what was asked for", () => {
  const device = { hostPath: "/dev/null", containerPath: "/dev/zero", permissions: "rw" };
  const { devices } = devicesFor([device], { privileged: true });
  const minor = 3;
  expect(devices.filter(({ path }) => path === "/dev/zero")).toMatchObject([{ minor }]);
  expect(devices.map(({ path }) => path)).toContain("/dev/full");
});

test("the default seccomp profile lets through what a capability is for", () => {
  const allows = (capabilities: string[], name: string) =>
    defaultProfile(capabilities).syscalls.some(
      (rule) => rule.names.includes(name) && rule.action === "SCMP_ACT_ALLOW" && !rule.args,
    );
  expect(allows([], "openat")).toBe(true);
  expect(allows([], "mount")).toBe(false);
  expect(allows(["CAP_SYS_ADMIN"], "mount")).toBe(true);
  expect(allows([], "reboot")).toBe(false);
  expect(allows([], "io_uring_setup")).toBe(false);
});

describe("the default seccomp profile is containerd's", () => {
  const text = readFileSync(path.join(import.meta.dirname, "containerd-syscalls.txt"), "utf8");
  const blocks = text
    .split("\n\n")
    .slice(1)
    .map((block) => block.trim().split(/:?\s+/));
  const containerds = new Map(blocks.map(([when = "", ...names]) => [when, names]));
  const isCapability = (when: string) => when.startsWith("CAP_");

  test("for every process, on all architectures together", () => {
    const always = [...containerds].flatMap(([when, names]) => (isCapability(when) ? [] : names));
    expect(new Set(ALLOWED)).toEqual(new Set(always));
  });

  test("for one with a capability; what every process may do is not named again", () => {
    const added = [...containerds].filter(([when]) => isCapability(when));
    const beside = (names: string[]) =>
      names.filter((name) => !ALLOWED.includes(name)).sort((a, b) => (a < b ? -1 : 1));
    const sorted = (lists: [string, string[]][]) =>
      Object.fromEntries(lists.map(([when, names]) => [when, beside(names)]));
    expect(sorted(Object.entries(ALLOWED_BY_CAPABILITY))).toEqual(sorted(added));
  });

  test("clone makes no namespaces, clone3 is not there for one without CAP_SYS_ADMIN", () => {
    const rules = (capabilities: string[], name: string) =>
      defaultProfile(capabilities).syscalls.filter(({ names }) => names.includes(name));
    expect(rules([], "clone")).toMatchObject([{ args: [{ value: 0x7e020000, valueTwo: 0 }] }]);
    expect(rules([], "clone3")).toMatchObject([{ action: "SCMP_ACT_ERRNO", errnoRet: 38 }]);
    expect(rules(["CAP_SYS_ADMIN"], "clone3")).toMatchObject([{ action: "SCMP_ACT_ALLOW" }]);
  });
});

type SeccompArgument = NonNullable<OciSeccomp["syscalls"][number]["args"]>[number];

test.each([
  [[], [38n, 40n, 44n]],
  [["CAP_NET_ADMIN"], [38n, 40n]],
])("the default seccomp profile refuses few families of sockets: with %j %s", (held, refused) => {
  const rules = defaultProfile(held).syscalls.filter(({ names }) => names.includes("socket"));
  const holds = (family: bigint, { value, valueTwo = 0, op }: SeccompArgument) => {
    expect(op).toBe("SCMP_CMP_MASKED_EQ");
    return (family & BigInt(value)) === BigInt(valueTwo);
  };
  const allowed = (family: bigint) =>
    rules.some(({ args = [] }) => args.every((argument) => holds(family, argument)));
  const families = Array.from({ length: 64 }, (_, family) => BigInt(family));
  expect(families.filter((family) => !allowed(family))).toEqual(refused);
  // The kernel takes the lower half of the register.
  const high = families.map((family) => family + 2n ** 32n);
  expect(high.filter((family) => !allowed(family))).toEqual(refused.map((one) => one + 2n ** 32n));
});

test.each([
  [[], [14, 32, 38]],
  [["CAP_NET_RAW"], []],
])("with %j options of TCP that keep keys, %j, are refused", (held, refused) => {
  const rules = defaultProfile(held).syscalls.filter(({ names }) => names.includes("setsockopt"));
  const may = (...values: bigint[]) =>
    rules.some(({ args = [] }) =>
      args.every(({ index, value, valueTwo = 0 }) => {
        return (values[index]! & BigInt(value)) === BigInt(valueTwo);
      }),
    );
  const high = 2n ** 32n;
  const options = Array.from({ length: 64 }, (_, option) => option);
  const refusedOf = (level: bigint, more = 0n) =>
    options.filter((option) => !may(0n, level, BigInt(option) + more));
  expect(refusedOf(6n)).toEqual(refused);
  expect(refusedOf(6n + high, high)).toEqual(refused);
  const levels = Array.from({ length: 512 }, (_, level) => BigInt(level));
  const others = levels.filter((level) => level !== 6n);
  expect(others.filter((level) => refusedOf(level).length > 0)).toEqual([]);
});

test.each([
  [[], [1024, 1040]],
  [["CAP_LEASE"], []],
])("with %j commands of fcntl that take leases, %j, are refused", (held, refused) => {
  for (const name of ["fcntl", "fcntl64"]) {
    const rules = defaultProfile(held).syscalls.filter(({ names }) => names.includes(name));
    const may = (command: bigint) =>
      rules.some(({ args = [] }) =>
        args.every(({ value, valueTwo = 0 }) => (command & BigInt(value)) === BigInt(valueTwo)),
      );
    const commands = Array.from({ length: 1056 }, (_, command) => command);
    expect(commands.filter((command) => !may(BigInt(command)))).toEqual(refused);
    expect(commands.filter((command) => !may(2n ** 32n + BigInt(command)))).toEqual(refused);
  }
});

test("in a user namespace only its own ids can be run as", () => {
  const one = [{ first: 0, count: 1 }];
  const ids = { users: one, groups: one };
  const root = { uid: 0, gid: 0, additionalGids: [0, 10] };
  expect(mappedUser(root, ids, [])).toEqual({ uid: 0, gid: 0, additionalGids: [0] });
  expect(() => mappedUser(root, ids, [10])).toThrow(/supplemental group 10 is not mapped/);
  expect(() => mappedUser({ ...root, uid: 1000 }, ids, [])).toThrow(/user 1000 is not mapped/);
  expect(() => mappedUser({ ...root, gid: 7 }, ids, [])).toThrow(/group 7 is not mapped/);
});

test("without cgroups a spec asks for none", () => {
  const limits = { cpuQuota: 5000, memoryLimitInBytes: 1 << 20 };
  expect(resourcesFor(limits, { cgroupVersion: "none" })).toEqual({});
});

describe("mounts that are read-only with all beneath them", () => {
  let dir: string;
  beforeEach(() => {
    dir = testFolder("r2k-features-");
  });

  const program = (kind: "crun" | "runc", script: string) => {
    const file = path.join(dir, kind);
    writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return { path: file, kind };
  };
  const old = '[ "$1" = features ] && exit 1; echo "crun version $VERSION"';

  test.each([
    ["the program lists the option", "runc", `echo '{"mountOptions":["ro","rro"]}'`, "6.1.0", true],
    ["it does not", "runc", `echo '{"mountOptions":["ro"]}'`, "6.1.0", false],
    ["the kernel is too old", "runc", `echo '{"mountOptions":["rro"]}'`, "5.11.3", false],
    ["a crun before `features`", "crun", `VERSION=1.8.1; ${old}`, "5.12.0-1-amd64", true],
    ["an older crun", "crun", `VERSION=0.17; ${old}`, "6.1.0", false],
    ["a runc before `features`", "runc", "exit 1", "6.1.0", false],
  ] as const)("%s", async (_name, kind, script, kernel, known) => {
    expect(await knowsRecursiveReadOnly(program(kind, script), kernel)).toBe(known);
  });

  test("they are asked of the OCI runtime by the option rro; writable ones are refused", () => {
    const mount = (more: Partial<Mount>) =>
      volumeMounts([
        {
          containerPath: "/m",
          hostPath: dir,
          readonly: true,
          selinuxRelabel: false,
          propagation: MountPropagation.PROPAGATION_PRIVATE,
          uidMappings: [],
          gidMappings: [],
          recursiveReadOnly: true,
          image: undefined,
          imageSubPath: "",
          ...more,
        },
      ]);
    expect(mount({})[0]?.options).toEqual(["rbind", "rprivate", "rro"]);
    expect(() => mount({ readonly: false })).toThrow("must be read-only and private");
  });
});
