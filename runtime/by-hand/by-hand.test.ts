import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { OciHandlers } from "../oci/handlers.ts";
import { OciRuntime } from "../oci/runtime.ts";
import type { OciSpec } from "../oci/spec.ts";
import { identify } from "../process-identity.ts";
import { shellHook } from "./cgroup.ts";
import { deviceProgram } from "./device-program.ts";
import { requireAlive } from "./joined.ts";
import { refuseUnknown } from "./spec.ts";
import { readWords } from "./words.ts";

const SPEC: OciSpec = {
  ociVersion: "1.0.2",
  process: {
    terminal: false,
    user: { uid: 0, gid: 0, additionalGids: [] },
    args: ["true"],
    env: [],
    cwd: "/",
    capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
    noNewPrivileges: true,
  },
  root: { path: "rootfs", readonly: true },
  mounts: [],
  linux: { namespaces: [{ type: "mount" }], resources: {} },
};
const TRACING = { ...SPEC.process.capabilities, bounding: ["CAP_SYS_PTRACE"] };
const linux = (more: object): OciSpec => ({ ...SPEC, linux: { ...SPEC.linux, ...more } });
const mount = (destination: string, ...options: string[]): OciSpec => {
  return { ...SPEC, mounts: [{ destination, source: "/", type: "bind", options }] };
};

it("accepts what it implements", () => {
  const unified = { "memory.oom.group": "1" };
  for (const spec of [SPEC, linux({ resources: { unified } })]) {
    expect(() => refuseUnknown(spec)).not.toThrow();
  }
});

it.each([
  ["linux.namespaces: user", linux({ namespaces: [{ type: "mount" }, { type: "user" }] })],
  ["a mount namespace of its own", linux({ namespaces: [] })],
  ["a mount namespace of its own", linux({ namespaces: [{ type: "mount", path: "/x" }] })],
  ["linux.uidMappings", linux({ uidMappings: [] })],
  ["linux.resources.hugepageLimits", linux({ resources: { hugepageLimits: [] } })],
  ["unified.memory.high", linux({ resources: { unified: { "memory.high": "1" } } })],
  ["linux.seccomp.flags", linux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW", flags: [] } })],
  ["linux.rootfsPropagation: slave", linux({ rootfsPropagation: "slave" })],
  ["process.apparmorProfile", { ...SPEC, process: { ...SPEC.process, apparmorProfile: "x" } }],
  ["CAP_SYS_PTRACE", { ...SPEC, process: { ...SPEC.process, capabilities: TRACING } }],
  ["hooks", { ...SPEC, hooks: {} }],
  ["mount option rslave at /data", mount("/data", "rbind", "rslave")],
  ["a mount inside /proc, at /proc/sys", mount("/proc/sys", "rbind")],
  ["a mount inside /proc, at /x/../proc/1", mount("/x/../proc/1", "rbind")],
])("refuses by name: %s", (named, spec) => {
  expect(() => refuseUnknown(spec)).toThrow(named);
});

describe("the command line", () => {
  it("is crun's, as conmon gives it", () => {
    const words = "--root /r --log=/l create --bundle /b --pid-file /p --console-socket /c id";
    expect(readWords(words.split(" "))).toEqual({
      command: "create",
      id: "id",
      rest: [],
      flags: { root: "/r", log: "/l", bundle: "/b", "pid-file": "/p", "console-socket": "/c" },
    });
  });

  it("refuses a flag that is not implemented", () => {
    expect(() => readWords(["--systemd-cgroup", "state", "id"])).toThrow("--systemd-cgroup");
  });
});

it("a device program has no code behind a rule for everything", () => {
  const deny = { allow: false, access: "rwm" };
  const all = { allow: true, access: "rwm" };
  const some = { allow: true, type: "c", major: 1, access: "rw" } as const;
  // Each instruction has 8 bytes: 6 to load the request, 2 to decide.
  expect(deviceProgram([]).length).toBe(8 * 8);
  expect(deviceProgram([some, all])).toEqual(deviceProgram([all]));
  // Type, access (3) and major are tested before the decision.
  expect(deviceProgram([deny, some]).length).toBe((8 + 7) * 8);
});

it("a RuntimeClass's handler selects the OCI runtime; another is refused", () => {
  const [crun, hand, runsc] = (["crun", "by-hand", "runsc"] as const).map((kind) => {
    return new OciRuntime({ path: `/${kind}`, kind }, "/state");
  });
  const handlers = new OciHandlers(crun!, [hand!, runsc!]);
  const names = ["", "crun", "by-hand", "runsc"];
  expect(handlers.names).toEqual(names);
  expect(names.map((name) => handlers.choose(name))).toEqual([crun, crun, hand, runsc]);
  // A kernel of its own holds no namespace for others.
  expect(names.map((name) => handlers.ofSandbox(name))).toEqual([crun, crun, hand, crun]);
  // One that this machine has no more releases nothing.
  expect(["runc", "runsc"].map((name) => handlers.releaserOf(name))).toEqual([crun, runsc]);
  expect(handlers.ofSandbox("runc")).toBe(crun);
  expect(() => handlers.of("runc")).toThrow('no runtime for "runc" is configured');
  expect(() => handlers.choose("kata")).toThrow('no runtime for "kata" is configured');
});

it("without its flag no new pod gets this runtime, and those that exist keep it", () => {
  const [crun, hand] = (["crun", "by-hand"] as const).map((kind) => {
    return new OciRuntime({ path: `/${kind}`, kind }, "/state");
  });
  const handlers = new OciHandlers(crun!, [], [hand!]);
  expect(handlers.names).toEqual(["", "crun"]);
  expect(() => handlers.choose("by-hand")).toThrow(
    expect.objectContaining({
      message: 'no runtime for "by-hand" is configured',
      remedy: expect.stringContaining("start the cluster with --by-hand"),
    }),
  );
  expect(handlers.of("by-hand")).toBe(hand);
});

it("a namespace is of the process that was meant, not of a later one with its pid", () => {
  const own = identify(process.pid)!;
  expect(() => requireAlive("x", own)).not.toThrow();
  expect(() => requireAlive("x", { ...own, startTicks: "1" })).toThrow("x is not running");
});

it("a hook reads the container's state whole, which its runtime writes to it", () => {
  const { path, args } = shellHook(["echo done"]);
  const input = `${"x".repeat(1024 * 1024)}\n{}`;
  const output = execFileSync(path, args.slice(1), { input, encoding: "utf8" });
  expect(output).toBe("done\n");
});
