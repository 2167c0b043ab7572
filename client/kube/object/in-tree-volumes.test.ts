import type { PersistentVolume, PersistentVolumeSpec } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { describe, expect, it } from "vitest";
import { INLINE_HANDLE_BYTES_MAX } from "../limits.ts";
import {
  CLAIM_PROVISIONERS,
  csiSourceOf,
  driverOfProvisioner,
  migratedPlugins,
  migrationOf,
  translateClass,
  translateInline,
  translateVolume,
} from "./in-tree-volumes.ts";

type Metadata = PersistentVolume["metadata"];

const volume = (spec: PersistentVolumeSpec, metadata: Metadata = {}): PersistentVolume => ({
  metadata: { name: "pv", ...metadata },
  spec: { accessModes: ["ReadWriteOnce"], ...spec },
});
const ZONE = "topology.kubernetes.io/zone";
const BETA = "failure-domain.beta.kubernetes.io/zone";
const zoned = (zones: string, key = ZONE) => ({ labels: { [key]: zones } });
const affinity = (key: string, ...values: string[]) => ({
  required: {
    nodeSelectorTerms: [{ matchExpressions: [{ key, operator: "In" as const, values }] }],
  },
});

describe("a PersistentVolume of an in-tree kind is that of its driver", () => {
  const ebs = { awsElasticBlockStore: { volumeID: "aws://us-east-1a/vol-1", fsType: "ext4" } };
  const gce = { gcePersistentDisk: { pdName: "disk" } };
  const secretName = "azure-storage-account-me-secret";
  const share = { secretName, shareName: "s", secretNamespace: "ns" };
  it.each<[string, PersistentVolume, object]>([
    [
      "EBS",
      volume(ebs),
      {
        driver: "ebs.csi.aws.com",
        volumeHandle: "vol-1",
        fsType: "ext4",
        volumeAttributes: { partition: "0" },
      },
    ],
    [
      "EBS by its bare id, a partition, read-only",
      volume({ awsElasticBlockStore: { volumeID: "vol-2", partition: 3, readOnly: true } }),
      {
        driver: "ebs.csi.aws.com",
        volumeHandle: "vol-2",
        readOnly: true,
        volumeAttributes: { partition: "3" },
      },
    ],
    [
      "a disk of GCE in no known zone",
      volume(gce),
      {
        driver: "pd.csi.storage.gke.io",
        volumeAttributes: { partition: "" },
        volumeHandle: "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/disk",
      },
    ],
    [
      "in one zone",
      volume(gce, zoned("us-central1-a")),
      {
        driver: "pd.csi.storage.gke.io",
        volumeAttributes: { partition: "" },
        volumeHandle: "projects/UNSPECIFIED/zones/us-central1-a/disks/disk",
      },
    ],
    [
      "in several",
      volume(gce, zoned("us-central1-a__us-central1-b", BETA)),
      {
        driver: "pd.csi.storage.gke.io",
        volumeAttributes: { partition: "" },
        volumeHandle: "projects/UNSPECIFIED/regions/us-central1/disks/disk",
      },
    ],
    [
      "a disk of Azure",
      volume({
        azureDisk: {
          diskName: "d",
          diskURI: "/subscriptions/d",
          cachingMode: "None",
          fsType: "xfs",
        },
      }),
      {
        driver: "disk.csi.azure.com",
        volumeHandle: "/subscriptions/d",
        fsType: "xfs",
        volumeAttributes: { kind: "Managed", cachingmode: "None", fstype: "xfs" },
      },
    ],
    [
      "a share of Azure",
      volume({ azureFile: share }),
      {
        driver: "file.csi.azure.com",
        volumeHandle: "#me#s#pv#ns",
        volumeAttributes: { sharename: "s" },
        nodeStageSecretRef: { name: secretName, namespace: "ns" },
      },
    ],
    [
      "Cinder",
      volume({ cinder: { volumeID: "c" } }),
      { driver: "cinder.csi.openstack.org", volumeHandle: "c" },
    ],
    [
      "vSphere",
      volume({ vsphereVolume: { volumePath: "[d] x.vmdk", storagePolicyName: "gold" } }),
      {
        driver: "csi.vsphere.vmware.com",
        volumeHandle: "[d] x.vmdk",
        volumeAttributes: { storagepolicyname: "gold" },
      },
    ],
    [
      "Portworx",
      volume({ portworxVolume: { volumeID: "p" } }),
      { driver: "pxd.portworx.com", volumeHandle: "p" },
    ],
  ])("%s", (_name, given, csi) => {
    const { spec } = translateVolume(given);
    expect(spec.csi).toEqual(csi);
    expect(Object.keys(spec).sort()).toEqual([
      "accessModes",
      "csi",
      ...(spec.nodeAffinity ? ["nodeAffinity"] : []),
    ]);
    expect(csiSourceOf(given)).toEqual(csi);
  });

  it.each<[string, PersistentVolume]>([
    [
      "an unmanaged disk of Azure",
      volume({ azureDisk: { diskName: "d", diskURI: "https://x/vhds/d", kind: "Dedicated" } }),
    ],
    [
      "a share whose secret is in no namespace",
      volume({ azureFile: { ...share, secretNamespace: "" } }),
    ],
    ["an id that is none", volume({ awsElasticBlockStore: { volumeID: "aws://zone/other" } })],
    ["zones of two regions", volume(gce, zoned("us-central1-a__us-east1-b"))],
  ])("%s is refused", (_name, given) => {
    expect(() => translateVolume(given)).toThrow();
    expect(csiSourceOf(given)).toBeUndefined();
  });

  it("others are themselves", () => {
    const csi = volume({ csi: { driver: "d", volumeHandle: "h" } });
    expect(translateVolume(csi)).toBe(csi);
    const nfs = volume({ nfs: { server: "s", path: "/" } });
    expect(translateVolume(nfs)).toBe(nfs);
    expect(csiSourceOf(nfs)).toBeUndefined();
  });

  it.each<[string, PersistentVolume, object | undefined]>([
    [
      "by its zone's key",
      volume({ ...ebs, nodeAffinity: affinity(ZONE, "a") }),
      affinity("topology.ebs.csi.aws.com/zone", "a"),
    ],
    [
      "by the older key",
      volume({ ...gce, nodeAffinity: affinity(BETA, "a") }),
      affinity("topology.gke.io/zone", "a"),
    ],
    [
      "by its labels",
      volume(ebs, zoned("b__a")),
      affinity("topology.ebs.csi.aws.com/zone", "a", "b"),
    ],
    [
      "by other keys",
      volume({ ...ebs, nodeAffinity: affinity("rack", "1") }),
      affinity("rack", "1"),
    ],
    ["nowhere in particular", volume(ebs), undefined],
  ])("is reachable %s", (_name, given, expected) => {
    expect(translateVolume(given).spec.nodeAffinity).toEqual(expected);
  });

  it("a disk of GCE for many writers is for one", () => {
    const modes = (...accessModes: NonNullable<PersistentVolumeSpec["accessModes"]>) =>
      translateVolume(volume({ ...gce, accessModes })).spec.accessModes;
    expect(modes("ReadWriteMany")).toEqual(["ReadWriteOnce"]);
    expect(modes("ReadOnlyMany", "ReadWriteOnce")).toEqual(["ReadWriteOnce"]);
    expect(modes("ReadOnlyMany")).toEqual(["ReadOnlyMany"]);
  });
});

describe("a volume of a pod", () => {
  it("is a PersistentVolume of its driver", () => {
    const gcePersistentDisk = { pdName: "disk", readOnly: true };
    expect(translateInline({ name: "v", gcePersistentDisk }, "ns")?.spec).toMatchObject({
      csi: { volumeHandle: "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/disk", readOnly: true },
      accessModes: ["ReadOnlyMany"],
    });
    const azureFile = { secretName: "s", shareName: "x", secretNamespace: "victim" };
    const { spec } = translateInline({ name: "v", azureFile }, "ns")!;
    expect(spec).toMatchObject({
      csi: { volumeHandle: "#s#x#v#ns", nodeStageSecretRef: { name: "s", namespace: "ns" } },
      accessModes: ["ReadWriteMany"],
    });
  });

  it.each([
    ["azure-storage-account-me-secret", "me"],
    ["x-azure-storage-account-a-secret-b-secret-c", "a-secret-b"],
    ["azure-storage-account-azure-storage-account-a-secret", "azure-storage-account-a"],
    ["azure-storage-account--secret", undefined],
    ["-secret-azure-storage-account-a", undefined],
    ["azure-storage-account", undefined],
    ["me", undefined],
  ])("of Azure whose secret is %s has its account", (secretName, account = secretName) => {
    const azureFile = { secretName, shareName: "x" };
    expect(translateInline({ name: "v", azureFile }, "ns")?.spec.csi?.volumeHandle).toBe(
      `#${account}#x#v#ns`,
    );
  });

  it("of Azure is translated in linear time, however often a name has the prefix", () => {
    const secretName = "azure-storage-account-".repeat(60_000);
    const share = { secretName, shareName: "x", secretNamespace: "ns" };
    const handle = csiSourceOf(volume({ azureFile: share }))?.volumeHandle;
    expect(handle === `#${secretName}#x#pv#ns`).toBe(true);
  });

  it("has a handle of one byte to one KiB", () => {
    const handleOf = (volumeID: string) =>
      translateInline({ name: "v", cinder: { volumeID } }, "ns")?.spec.csi?.volumeHandle;
    const longest = "é".repeat(INLINE_HANDLE_BYTES_MAX / 2);
    expect(handleOf(longest)).toBe(longest);
    expect(() => handleOf(`${longest}x`)).toThrow("has 1025 bytes");
    expect(() => handleOf("")).toThrow("has 0 bytes");
  });

  it("of another kind is none", () => {
    expect(translateInline({ name: "v", emptyDir: {} }, "ns")).toBeUndefined();
    expect(translateInline({ name: "v", cephfs: { monitors: ["m"] } }, "ns")).toBeUndefined();
  });
});

describe("a class of an in-tree provisioner", () => {
  const classOf = (
    provisioner: string,
    parameters: Record<string, string>,
    more: Partial<StorageClass> = {},
  ) => translateClass({ metadata: { name: "c" }, provisioner, parameters, ...more });

  it.each([
    [
      "kubernetes.io/aws-ebs",
      { type: "gp2", fsType: "xfs", iopsPerGB: "5" },
      {
        type: "gp2",
        "csi.storage.k8s.io/fstype": "xfs",
        iopsPerGB: "5",
        allowautoiopspergbincrease: "true",
      },
    ],
    [
      "kubernetes.io/azure-disk",
      { fsType: "xfs", kind: "Managed" },
      { fsType: "xfs", kind: "Managed" },
    ],
    [
      "kubernetes.io/cinder",
      { availability: "nova", fstype: "ext4" },
      { availability: "nova", "csi.storage.k8s.io/fstype": "ext4" },
    ],
    [
      "kubernetes.io/vsphere-volume",
      { datastore: "d", unheardOf: "x" },
      { "datastore-migrationparam": "d", csimigration: "true" },
    ],
    ["example.com/own", { fsType: "xfs" }, { fsType: "xfs" }],
  ])("%s has the driver's parameters", (provisioner, given, expected) => {
    const made = classOf(provisioner, given);
    expect(made.parameters).toEqual(expected);
    expect(made.provisioner).toBe(driverOfProvisioner(provisioner));
  });

  it("has its zones as topology", () => {
    const terms = (key: string, ...values: string[]) => [
      { matchLabelExpressions: [{ key, values }] },
    ];
    const key = "topology.ebs.csi.aws.com/zone";
    expect(classOf("kubernetes.io/aws-ebs", { zones: "a,b" })).toMatchObject({
      parameters: {},
      allowedTopologies: terms(key, "a", "b"),
    });
    const allowedTopologies = terms(BETA, "a");
    expect(classOf("kubernetes.io/aws-ebs", {}, { allowedTopologies }).allowedTopologies).toEqual(
      terms(key, "a"),
    );
    expect(() => classOf("kubernetes.io/aws-ebs", { zone: "a" }, { allowedTopologies })).toThrow();
    const unzoned = { allowedTopologies: terms(ZONE, "0", "westus-1") };
    expect(classOf("kubernetes.io/azure-disk", {}, unzoned).allowedTopologies).toEqual(
      terms("topology.disk.csi.azure.com/zone", "", "westus-1"),
    );
  });
});

it("objects of in-tree provisioners name the driver that acts for them", () => {
  const annotated = (provisioner: string, to?: string) => ({
    "volume.kubernetes.io/storage-provisioner": provisioner,
    ...(to !== undefined && { "pv.kubernetes.io/migrated-to": to }),
  });
  const of = (annotations: Record<string, string>) => migrationOf(annotations, CLAIM_PROVISIONERS);
  const ebs = "ebs.csi.aws.com";
  expect(of(annotated("kubernetes.io/aws-ebs"))).toEqual(annotated("kubernetes.io/aws-ebs", ebs));
  expect(of(annotated("kubernetes.io/aws-ebs", ebs))).toBeUndefined();
  expect(of(annotated(ebs))).toBeUndefined();
  expect(of(annotated("other", ebs))).toEqual(annotated("other"));
  expect(of({})).toBeUndefined();
  expect(migratedPlugins()).toBe(
    "kubernetes.io/aws-ebs,kubernetes.io/azure-disk," +
      "kubernetes.io/azure-file,kubernetes.io/cinder,kubernetes.io/gce-pd," +
      "kubernetes.io/portworx-volume,kubernetes.io/vsphere-volume",
  );
});
