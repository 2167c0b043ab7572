import { describe, expect, it } from "vitest";
import { messageOfField } from "../../../errors.ts";
import type { PodSpec } from "../../../gen/core/v1.ts";
import { validatePodSpec } from "./validate-spec.ts";

/** Returns the errors of a pod with this OS that the pod without one does not have. */
function complaints(name: string, more: object): string[] {
  const spec = { containers: [], restartPolicy: "Always", dnsPolicy: "Default", ...more };
  const said = (os: object) =>
    validatePodSpec({ ...spec, ...os } as PodSpec, "spec", "").map(messageOfField);
  const without = said({});
  return said({ os: { name } }).filter((each) => !without.includes(each));
}

const CONTAINER = { name: "c", image: "web:1" };
const WINDOWS = { windowsOptions: { hostProcess: false } };
const LINUX_POD = {
  runAsUser: 1,
  runAsGroup: 1,
  fsGroup: 1,
  fsGroupChangePolicy: "Always",
  supplementalGroups: [1],
  supplementalGroupsPolicy: "Strict",
  sysctls: [{ name: "a", value: "1" }],
  seLinuxOptions: {},
  seLinuxChangePolicy: "MountOption",
  seccompProfile: { type: "RuntimeDefault" },
  appArmorProfile: { type: "RuntimeDefault" },
};
const LINUX_CONTAINER = {
  runAsUser: 1,
  runAsGroup: 1,
  privileged: false,
  readOnlyRootFilesystem: false,
  seLinuxOptions: {},
  allowPrivilegeEscalation: false,
  procMount: "Default",
  capabilities: {},
  seccompProfile: { type: "RuntimeDefault" },
  appArmorProfile: { type: "RuntimeDefault" },
};

describe("a pod that says its system", () => {
  it("says one that there is", () => {
    expect(complaints("linux", {})).toEqual([]);
    expect(complaints("windows", {})).toEqual([]);
    expect(complaints("", {})).toEqual(["spec.os.name: Required value: cannot be empty"]);
    expect(complaints("plan9", {})).toEqual([
      'spec.os: Unsupported value: "plan9": supported values: "linux", "windows"',
    ]);
  });

  it("of Linux has no options of Windows, nor has any of its containers", () => {
    const named = { ...CONTAINER, securityContext: WINDOWS };
    const spec = {
      securityContext: WINDOWS,
      containers: [CONTAINER, named],
      initContainers: [named],
      ephemeralContainers: [named],
    };
    expect(complaints("windows", spec)).toEqual([]);
    expect(complaints("linux", spec)).toEqual(
      ["spec", "spec.initContainers[0]", "spec.containers[1]", "spec.ephemeralContainers[0]"].map(
        (at) =>
          `${at}.securityContext.windowsOptions: Forbidden: ` +
          "windows options cannot be set for a linux pod",
      ),
    );
  });

  it.each([
    ...Object.entries(LINUX_POD).map(
      ([field, value]) =>
        [`spec.securityContext.${field}`, { securityContext: { [field]: value } }] as const,
    ),
    ...["hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"].map(
      (field) => [`spec.${field}`, { [field]: true }] as const,
    ),
    ...Object.entries(LINUX_CONTAINER).map(
      ([field, value]) =>
        [
          `spec.containers[0].securityContext.${field}`,
          { containers: [{ ...CONTAINER, securityContext: { [field]: value } }] },
        ] as const,
    ),
  ])("of Windows has no %s", (path, spec) => {
    expect(complaints("linux", spec)).toEqual([]);
    expect(complaints("windows", spec)).toEqual([
      `${path}: Forbidden: cannot be set for a windows pod`,
    ]);
  });

  it("of Windows may have what is off, or is the same on both", () => {
    const securityContext = { runAsNonRoot: true, sysctls: [], ...WINDOWS };
    const spec = { hostPID: false, hostIPC: false, hostNetwork: true, securityContext };
    expect(complaints("windows", spec)).toEqual([]);
  });
});
