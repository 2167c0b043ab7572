import { describe, expect, it } from "vitest";
import { decodeJson } from "../../../codec/json.ts";
import { messageOfField } from "../../../errors.ts";
import type { Pod, PodSpec } from "../../../gen/core/v1.ts";
import { pod } from "./pod.ts";

const CONTEXT = { now_ms: 0 };
const CONTAINER = { name: "c", image: "i:1" };

/** A pod as it is created. */
function made(spec: object): Pod {
  const { object } = decodeJson<Pod>("core/v1.Pod", {
    metadata: { name: "p", namespace: "n" },
    spec: { containers: [CONTAINER], ...spec },
  });
  pod.strategy.defaults(object);
  pod.strategy.prepareCreate(object, CONTEXT);
  return object;
}

it("rounds amounts up to thousandths", () => {
  const resources = { requests: { cpu: "100n", memory: "1Gi" }, limits: { cpu: "1500500u" } };
  const { containers, overhead, volumes } = made({
    containers: [{ ...CONTAINER, resources }],
    overhead: { cpu: "0.0001", memory: "1e3" },
    volumes: [
      {
        name: "v",
        ephemeral: {
          volumeClaimTemplate: { spec: { resources: { requests: { storage: "1n" } } } },
        },
      },
    ],
  }).spec;
  expect(containers[0]!.resources).toEqual({
    requests: { cpu: "1m", memory: "1Gi" },
    limits: { cpu: "1501m" },
  });
  expect(overhead).toEqual({ cpu: "1m", memory: "1e3" });
  const { spec } = volumes![0]!.ephemeral!.volumeClaimTemplate!;
  expect(spec.resources!.requests).toEqual({ storage: "1m" });
});

it.each([
  [{ iscsi: { targetPortal: "a", iqn: "i", lun: 0 } }, { iscsi: { iscsiInterface: "default" } }],
  [
    { rbd: { monitors: ["m"], image: "i" } },
    { rbd: { pool: "rbd", user: "admin", keyring: "/etc/ceph/keyring" } },
  ],
  [
    { azureDisk: { diskName: "d", diskURI: "u" } },
    { azureDisk: { cachingMode: "ReadWrite", fsType: "ext4", readOnly: false, kind: "Shared" } },
  ],
  [
    { scaleIO: { gateway: "g", system: "s", secretRef: { name: "s" }, volumeName: "v" } },
    { scaleIO: { storageMode: "ThinProvisioned", fsType: "xfs" } },
  ],
])("a volume %j has upstream's defaults", (source, defaults) => {
  const { volumes } = made({ volumes: [{ name: "v", ...source }] }).spec;
  expect(volumes![0]).toMatchObject(defaults);
});

describe("a field of a feature that is off", () => {
  const gated = {
    schedulingGroup: { podGroupName: "g" },
    volumes: [
      {
        name: "v",
        projected: {
          sources: [
            { clusterTrustBundle: { path: "a", name: "b" } },
            { podCertificate: { signerName: "a/b", keyType: "ED25519" } },
            { serviceAccountToken: { path: "token" } },
          ],
        },
      },
    ],
  };
  const shown = ({ schedulingGroup, volumes }: PodSpec) => [
    schedulingGroup,
    volumes![0]!.projected!.sources!.map((source) => Object.keys(source)),
  ];

  it("is dropped from a new pod, and the rest stays", () => {
    const { spec } = made(gated);
    expect(shown(spec)).toEqual([undefined, [[], [], ["serviceAccountToken"]]]);
  });

  it("stays in a pod that has it", () => {
    const old = made({});
    Object.assign(old.spec, structuredClone(gated));
    const next = structuredClone(old);
    pod.strategy.prepareUpdate(next, old, CONTEXT);
    expect(shown(next.spec)).toEqual(shown(old.spec));
    expect(next.spec.schedulingGroup).toBeDefined();
  });
});

it("the secret of a CSI volume has a secret's name", () => {
  const complaints = (name?: string) => {
    const csi = { driver: "d.example.com", nodePublishSecretRef: { name } };
    const errors = pod.strategy.validateCreate(made({ volumes: [{ name: "v", csi }] }), CONTEXT);
    return errors.map(messageOfField).join("\n");
  };
  expect(complaints("a.b")).toBe("");
  expect(complaints()).toBe("spec.volumes[0].csi.nodePublishSecretRef.name: Required value");
  // Upstream's path.
  expect(complaints("Bad_Name")).toContain('spec.volumes[0].csi.name: Invalid value: "Bad_Name"');
});
