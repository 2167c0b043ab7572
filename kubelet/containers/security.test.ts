import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  NamespaceMode,
  SecurityProfile_ProfileType as ProfileType,
  SupplementalGroupsPolicy,
} from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import type { Runtime } from "../cri/runtime.ts";
import { containerMounts } from "./mounts.ts";
import { containerSecurity } from "./security.ts";

const SECCOMP = { root: "/s", byDefault: false };
const PARTS = { user: { uid: 1000, username: "" }, seccomp: SECCOMP, targetId: undefined };
const MAPPING = { containerId: 0, hostId: 65_536, length: 65_536 };
const USERS = { mode: NamespaceMode.POD, uids: [MAPPING], gids: [MAPPING] };

function securityOf(
  own: Container["securityContext"],
  spec: Partial<Pod["spec"]> = {},
  users: typeof USERS | undefined = undefined,
) {
  const container: Container = { name: "c", ...(own ? { securityContext: own } : {}) };
  const pod: Pod = { metadata: { name: "p" }, spec: { containers: [container], ...spec } };
  return containerSecurity(pod, container, { ...PARTS, users });
}

describe("container security", () => {
  test("parts of /proc and /sys are hidden from all but privileged containers", () => {
    const masked = ["/proc/kcore", "/proc/exitcode", "/proc/mconsole", "/proc/sysemu"];
    expect(securityOf(undefined).maskedPaths).toEqual(expect.arrayContaining(masked));
    expect(securityOf({ procMount: "Default" }).readonlyPaths).toContain("/proc/sys");
    expect(securityOf({ privileged: true })).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
  });

  test("an unmasked /proc needs a user namespace", () => {
    const unmasked = { procMount: "Unmasked" } as const;
    expect(() => securityOf(unmasked)).toThrow("procMount Unmasked needs a user namespace");
    const security = securityOf(unmasked, { hostUsers: false }, USERS);
    expect(security).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
  });

  test("the containers have the pod's user namespace", () => {
    expect(securityOf({ runAsUser: 0 }, { hostUsers: false }, USERS)).toMatchObject({
      namespaceOptions: { usernsOptions: USERS },
      runAsUser: { value: 0 },
    });
    expect(securityOf({ runAsUser: 7 }).namespaceOptions).not.toHaveProperty("usernsOptions");
  });

  test("a seccomp profile is one of the node's own", () => {
    const local = (localhostProfile?: string) =>
      securityOf({
        seccompProfile: { type: "Localhost", ...(localhostProfile ? { localhostProfile } : {}) },
      });
    expect(local("a/b.json").seccomp).toMatchObject({ localhostRef: "/s/a/b.json" });
    for (const path of [undefined, "/etc/x", "../pods/u/volumes/own.json", "a/../../x"]) {
      expect(() => local(path)).toThrow("is not a path below the kubelet's folder");
    }
  });

  test.each<[string, boolean, Container["securityContext"], number]>([
    ["none is none", false, undefined, ProfileType.Unconfined],
    ["none is the runtime's where the node says so", true, undefined, ProfileType.RuntimeDefault],
    [
      "what it names goes before",
      true,
      { seccompProfile: { type: "Unconfined" } },
      ProfileType.Unconfined,
    ],
    ["a privileged container has none", true, { privileged: true }, ProfileType.Unconfined],
  ])("of seccomp profiles, %s", (_, byDefault, securityContext, profileType) => {
    const container: Container = { name: "c", ...(securityContext && { securityContext }) };
    const pod: Pod = { metadata: { name: "p" }, spec: { containers: [container] } };
    const parts = { ...PARTS, users: undefined, seccomp: { ...SECCOMP, byDefault } };
    expect(containerSecurity(pod, container, parts).seccomp).toMatchObject({ profileType });
  });

  test("with supplementalGroupsPolicy Strict only the pod's own groups are added", () => {
    const groups = (securityContext: NonNullable<Pod["spec"]["securityContext"]>) =>
      securityOf(undefined, { securityContext });
    const given = { supplementalGroups: [5], fsGroup: 6 };
    expect(groups({ ...given, supplementalGroupsPolicy: "Strict" })).toMatchObject({
      supplementalGroups: [5, 6],
      supplementalGroupsPolicy: SupplementalGroupsPolicy.Strict,
    });
    expect(groups(given)).toMatchObject({
      supplementalGroups: [5, 6],
      supplementalGroupsPolicy: SupplementalGroupsPolicy.Merge,
    });
  });
});

test("a container's mounts ask the runtime once whether they can be read-only recursively", async () => {
  let asked = 0;
  const features = { recursiveReadOnlyMounts: true };
  const status = async () => (asked++, { runtimeHandlers: [{ name: "", features }] });
  const volumeMounts = ["/a", "/b", "/c"].map((mountPath) => ({
    ...{ name: "v", mountPath, readOnly: true, recursiveReadOnly: "IfPossible" },
  }));
  const mounts = await containerMounts(
    { metadata: { uid: "u" }, spec: { containers: [] } },
    { name: "c", volumeMounts },
    {
      volumes: new Map([["v", { kind: "filesystem", hostPath: "/v", readOnly: false }]]),
      env: new Map(),
      paths: { rootDir: "/k", podLogsDir: "/logs", containerLogsDir: undefined },
      runtime: { runtime: { status } } as unknown as Runtime,
      imageVolumes: new Map(),
      hostsFile: undefined,
      terminationLog: "/t",
    },
  );
  expect(mounts.map((mount) => mount.recursiveReadOnly)).toEqual([true, true, true, undefined]);
  expect(asked).toBe(1);
});
