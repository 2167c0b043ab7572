import type {
  CSIPersistentVolumeSource,
  PersistentVolumeAccessMode,
  PersistentVolumeSpec,
} from "@raft2kube/api/gen/core/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

/** Fields of the sources that CSI drivers took over, in volumes of pods and PersistentVolumes. */
export type InTreeField =
  | "awsElasticBlockStore"
  | "azureDisk"
  | "azureFile"
  | "cinder"
  | "gcePersistentDisk"
  | "portworxVolume"
  | "vsphereVolume";

/** The object that a source is in. */
export interface Origin {
  /** Name of the PersistentVolume, or of the volume within its pod. */
  name: string;
  /** Namespace of the claim, or of the pod. */
  namespace: string;
  annotations: Readonly<Record<string, string>>;
  /** Zones in the PersistentVolume's labels. */
  zones: readonly string[];
}

type Translated = Omit<CSIPersistentVolumeSource, "driver">;

/** One kind of volume that was built into Kubernetes, and the CSI driver that serves it now. */
export interface InTreeKind {
  field: InTreeField;
  /** The name of its provisioner in StorageClasses. */
  plugin: string;
  driver: string;
  /** The driver's topology keys, which take the place of the zone and region of a volume. */
  zoneKey?: string;
  regionKey?: string;
  /** The same of a class, where its `zone` and `zones` are topology and not parameters. */
  classZoneKey?: string;
  /** New names of a class's parameters, by their old names in lower case. */
  parameters?: Readonly<Record<string, readonly string[]>>;
  /** Whether other parameters are dropped. */
  onlyThese?: boolean;
  /** Returns parameters that are added to those of a class. */
  added?(parameters: Readonly<Record<string, string>>): Record<string, string>;
  /** Returns the CSI source. Throws CodedError for a volume that the driver does not serve. */
  source(spec: PersistentVolumeSpec, origin: Origin): Translated;
  /** The access mode of a volume that a pod names without a claim; ReadWriteOnce if not set. */
  inlineMode?(spec: PersistentVolumeSpec): PersistentVolumeAccessMode;
  /** Whether ReadWriteMany of a PersistentVolume meant ReadWriteOnce. */
  singleWriter?: boolean;
}

const FSTYPE = { fstype: ["csi.storage.k8s.io/fstype"] };

/**
 * All of them, by the names and fields of upstream's csi-translation-lib: a volume has the same
 * handle as under upstream's components, and a driver that served it finds it.
 */
export const IN_TREE_KINDS: readonly InTreeKind[] = [
  {
    field: "awsElasticBlockStore",
    plugin: "kubernetes.io/aws-ebs",
    driver: "ebs.csi.aws.com",
    zoneKey: "topology.ebs.csi.aws.com/zone",
    classZoneKey: "topology.ebs.csi.aws.com/zone",
    parameters: FSTYPE,
    added: (given): Record<string, string> =>
      hasParameter(given, "iopspergb") ? { allowautoiopspergbincrease: "true" } : {},
    source({ awsElasticBlockStore: source }) {
      const volumeAttributes = { partition: String(source?.partition ?? 0) };
      return { volumeHandle: ebsHandle(source!.volumeID), ...common(source), volumeAttributes };
    },
  },
  {
    field: "gcePersistentDisk",
    plugin: "kubernetes.io/gce-pd",
    driver: "pd.csi.storage.gke.io",
    zoneKey: "topology.gke.io/zone",
    classZoneKey: "topology.gke.io/zone",
    parameters: FSTYPE,
    singleWriter: true,
    inlineMode: ({ gcePersistentDisk }) => readOnlyMode(gcePersistentDisk),
    source({ gcePersistentDisk: source }, { zones }) {
      const volumeAttributes = { partition: source?.partition ? String(source.partition) : "" };
      const volumeHandle = gceHandle(source!.pdName, zones);
      return { volumeHandle, ...common(source), volumeAttributes };
    },
  },
  {
    field: "azureDisk",
    plugin: "kubernetes.io/azure-disk",
    driver: "disk.csi.azure.com",
    classZoneKey: "topology.disk.csi.azure.com/zone",
    source({ azureDisk }) {
      const { diskURI, cachingMode, fsType, kind = "Managed" } = azureDisk!;
      if (kind.toLowerCase() !== "managed") {
        throw new CodedError("NotTranslated", `azureDisk volumes of kind ${kind} have no driver`);
      }
      const volumeAttributes = {
        kind: "Managed",
        ...(cachingMode && { cachingmode: cachingMode }),
        ...(fsType !== undefined && { fstype: fsType }),
      };
      return { volumeHandle: diskURI, ...common(azureDisk), volumeAttributes };
    },
  },
  {
    field: "azureFile",
    plugin: "kubernetes.io/azure-file",
    driver: "file.csi.azure.com",
    inlineMode: () => "ReadWriteMany",
    source({ azureFile }, origin) {
      const { secretName, shareName, secretNamespace } = azureFile!;
      const namespace = secretNamespace || origin.namespace;
      if (!namespace) {
        throw new CodedError("NotTranslated", "the azureFile volume names no secretNamespace");
      }
      const account = azureAccount(secretName);
      const group = origin.annotations["kubernetes.io/azure-file-resource-group"] ?? "";
      return {
        volumeHandle: [group, account, shareName, origin.name, namespace].join("#"),
        ...common(azureFile),
        volumeAttributes: { sharename: shareName },
        nodeStageSecretRef: { name: secretName, namespace },
      };
    },
  },
  {
    field: "cinder",
    plugin: "kubernetes.io/cinder",
    driver: "cinder.csi.openstack.org",
    zoneKey: "topology.cinder.csi.openstack.org/zone",
    classZoneKey: "topology.cinder.csi.openstack.org/zone",
    parameters: { ...FSTYPE, zone: ["zone"], zones: ["zones"] },
    source: ({ cinder }) => ({ volumeHandle: cinder!.volumeID, ...common(cinder) }),
  },
  {
    field: "vsphereVolume",
    plugin: "kubernetes.io/vsphere-volume",
    driver: "csi.vsphere.vmware.com",
    zoneKey: "topology.csi.vmware.com/zone",
    regionKey: "topology.csi.vmware.com/region",
    classZoneKey: "topology.csi.vmware.com/zone",
    parameters: {
      ...FSTYPE,
      storagepolicyname: ["storagepolicyname"],
      ...Object.fromEntries(
        [
          "datastore",
          "diskformat",
          "hostfailurestotolerate",
          "forceprovisioning",
          "cachereservation",
          "diskstripes",
          "objectspacereservation",
          "iopslimit",
        ].map((name) => [name, [`${name}-migrationparam`]]),
      ),
    },
    onlyThese: true,
    added: () => ({ csimigration: "true" }),
    source({ vsphereVolume }) {
      const { volumePath, storagePolicyName: policy } = vsphereVolume!;
      const volumeAttributes = policy ? { volumeAttributes: { storagepolicyname: policy } } : {};
      return { volumeHandle: volumePath, ...common(vsphereVolume), ...volumeAttributes };
    },
  },
  {
    field: "portworxVolume",
    plugin: "kubernetes.io/portworx-volume",
    driver: "pxd.portworx.com",
    parameters: {
      "openstorage.io/auth-secret-name": secretParameters("name"),
      "openstorage.io/auth-secret-namespace": secretParameters("namespace"),
    },
    inlineMode: ({ portworxVolume }) => readOnlyMode(portworxVolume),
    source({ portworxVolume }, { annotations }) {
      const { volumeID, fsType } = portworxVolume!;
      const name = annotations["openstorage.io/auth-secret-name"];
      const namespace = annotations["openstorage.io/auth-secret-namespace"];
      const secret =
        name !== undefined && namespace !== undefined ? { name, namespace } : undefined;
      return {
        volumeHandle: volumeID,
        ...common({ ...(fsType !== undefined && { fsType }) }),
        ...(secret && {
          controllerPublishSecretRef: secret,
          nodeStageSecretRef: secret,
          nodePublishSecretRef: secret,
          controllerExpandSecretRef: secret,
          nodeExpandSecretRef: secret,
        }),
      };
    },
  },
];

function common(
  source: { fsType?: string; readOnly?: boolean } | undefined,
): Pick<Translated, "fsType" | "readOnly"> {
  const { fsType, readOnly } = source ?? {};
  return { ...(fsType && { fsType }), ...(readOnly && { readOnly }) };
}

function readOnlyMode(source: { readOnly?: boolean } | undefined): PersistentVolumeAccessMode {
  return source?.readOnly ? "ReadOnlyMany" : "ReadWriteOnce";
}

function hasParameter(parameters: Readonly<Record<string, string>>, name: string): boolean {
  return Object.keys(parameters).some((key) => key.toLowerCase() === name);
}

function secretParameters(part: "name" | "namespace"): string[] {
  return [
    "provisioner",
    "controller-publish",
    "node-publish",
    "node-stage",
    "controller-expand",
    "node-expand",
  ].map((use) => `csi.storage.k8s.io/${use}-secret-${part}`);
}

/**
 * The storage account in `azure-storage-account-ACCOUNT-secret`, up to the last `-secret`; another
 * name is an account's itself. Linear: a regular expression tries each prefix again, and a pod's
 * author chooses the name.
 */
function azureAccount(secretName: string): string {
  const prefix = "azure-storage-account-";
  const from = secretName.indexOf(prefix) + prefix.length;
  const to = secretName.lastIndexOf("-secret");
  return secretName.includes(prefix) && to > from ? secretName.slice(from, to) : secretName;
}

/** The id in `aws://ZONE/vol-1`; another form is an id itself. */
function ebsHandle(volumeID: string): string {
  if (!volumeID.startsWith("aws://")) return volumeID;
  const id = /^aws:\/\/[^/?#]*\/+(vol-[^/?#]*)\/*$/.exec(volumeID)?.[1];
  if (id !== undefined) return id;
  throw new CodedError("NotTranslated", `${volumeID} is no id of an EBS volume`);
}

/** The path of a disk, whose project the driver adds: zonal, or regional where zones are many. */
function gceHandle(pdName: string, zones: readonly string[]): string {
  if (zones.length <= 1) {
    return `projects/UNSPECIFIED/zones/${zones[0] || "UNSPECIFIED"}/disks/${pdName}`;
  }
  const regions = new Set(zones.map((zone) => /^([^-]+-[^-]+)-[^-]+$/.exec(zone)?.[1]));
  const [region] = regions;
  if (regions.size === 1 && region !== undefined) {
    return `projects/UNSPECIFIED/regions/${region}/disks/${pdName}`;
  }
  throw new CodedError("NotTranslated", `zones ${zones.join(", ")} are not of one region`);
}
