import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  SecurityProfile_ProfileType as ProfileType,
  SupplementalGroupsPolicy,
} from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import { containerSecurity } from "./security.ts";

const SECCOMP = { root: "/s", byDefault: false };
const PARTS = { user: { uid: 1000, username: "" }, seccomp: SECCOMP, targetId: undefined };

function securityOf(own: Container["securityContext"], spec: Partial<Pod["spec"]> = {}) {
  const container: Container = { name: "c", ...(own ? { securityContext: own } : {}) };
  const pod: Pod = { metadata: { name: "p" }, spec: { containers: [container], ...spec } };
  return containerSecurity(pod, container, PARTS);
}

describe("container security", () => {
  test("parts of /proc and /sys are hidden from all but privileged containers", () => {
    const masked = ["/proc/kcore", "/proc/exitcode", "/proc/mconsole", "/proc/sysemu"];
    expect(securityOf(undefined).maskedPaths).toEqual(expect.arrayContaining(masked));
    expect(securityOf({ procMount: "Default" }).readonlyPaths).toContain("/proc/sys");
    expect(securityOf({ privileged: true })).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
  });

  test("an unmasked /proc is refused, with a user namespace or without", () => {
    const unmasked = { procMount: "Unmasked" } as const;
    expect(() => securityOf(unmasked)).toThrow("procMount Unmasked needs a user namespace");
    expect(() => securityOf(unmasked, { hostUsers: false })).toThrow(
      "procMount Unmasked needs a user namespace",
    );
  });

  test("a seccomp profile is one of the node's own", () => {
    const local = (localhostProfile?: string) => securityOf({
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
    ["what it names goes before", true, { seccompProfile: { type: "Unconfined" } },
      ProfileType.Unconfined],
    ["a privileged container has none", true, { privileged: true }, ProfileType.Unconfined],
  ])("of seccomp profiles, %s", (_, byDefault, securityContext, profileType) => {
    const container: Container = { name: "c", ...(securityContext && { securityContext }) };
    const pod: Pod = { metadata: { name: "p" }, spec: { containers: [container] } };
    const parts = { ...PARTS, seccomp: { ...SECCOMP, byDefault } };
    expect(containerSecurity(pod, container, parts).seccomp).toMatchObject({ profileType });
  });

  test("with supplementalGroupsPolicy Strict only the pod's own groups are added", () => {
    const groups = (securityContext: NonNullable<Pod["spec"]["securityContext"]>) =>
      securityOf(undefined, { securityContext });
    const given = { supplementalGroups: [5], fsGroup: 6 };
    expect(groups({ ...given, supplementalGroupsPolicy: "Strict" })).toMatchObject({
      supplementalGroups: [5, 6], supplementalGroupsPolicy: SupplementalGroupsPolicy.Strict,
    });
    expect(groups(given)).toMatchObject({
      supplementalGroups: [5, 6], supplementalGroupsPolicy: SupplementalGroupsPolicy.Merge,
    });
  });

  test("root of a user namespace is refused: it would be the node's root", () => {
    expect(() => securityOf({ runAsUser: 0 }, { hostUsers: false })).toThrow(
      "hostUsers: false asks for a user namespace, which this node does not support",
    );
    expect(securityOf({ runAsUser: 7 }, { hostUsers: true }).runAsUser).toEqual({ value: 7 });
  });
});
