import type {
  CSIPersistentVolumeSource,
  NodeSelectorTerm,
  PersistentVolume,
  PersistentVolumeAccessMode,
  TopologySelectorTerm,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { INLINE_HANDLE_BYTES_MAX } from "../limits.ts";
import { IN_TREE_KINDS, type InTreeField, type InTreeKind } from "./in-tree-kinds.ts";
import { PROVISIONED_BY, STORAGE_PROVISIONER, STORAGE_PROVISIONER_BETA } from "./volumes.ts";

/**
 * Annotation of a claim or volume whose provisioner is in-tree: the CSI driver that acts in its
 * place.
 */
const MIGRATED_TO = "pv.kubernetes.io/migrated-to";

/** Annotation of a CSINode: the in-tree kinds that the node's kubelet takes for CSI volumes. */
export const MIGRATED_PLUGINS = "storage.alpha.kubernetes.io/migrated-plugins";

/** Prefix of the provisioners that are, or were, built into Kubernetes. */
export const IN_TREE_PREFIX = "kubernetes.io/";

const ZONES = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"] as const;
const REGIONS = [
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/region",
] as const;

/** The value of MIGRATED_PLUGINS. */
export function migratedPlugins(): string {
  return IN_TREE_KINDS.map(({ plugin }) => plugin)
    .sort()
    .join(",");
}

/** The CSI driver that a class's provisioner means: its own name, unless it is in-tree. */
export function driverOfProvisioner(provisioner: string): string {
  return IN_TREE_KINDS.find(({ plugin }) => plugin === provisioner)?.driver ?? provisioner;
}

/** The in-tree kind of a volume of a pod, or of a PersistentVolume's spec. */
export const inTreeFieldOf = (spec: InTreeSources): InTreeField | undefined => kindOf(spec)?.field;

type InTreeSources = Partial<Record<InTreeField, unknown>>;

function kindOf(spec: InTreeSources): InTreeKind | undefined {
  return IN_TREE_KINDS.find(({ field }) => spec[field] !== undefined);
}

/**
 * Returns a PersistentVolume with its in-tree source as a CSI source, others as they are. The
 * result is never written. Throws CodedError for a volume that no driver serves.
 */
export function translateVolume(volume: PersistentVolume): PersistentVolume {
  if (volume.spec.csi) return volume;
  const kind = kindOf(volume.spec);
  if (!kind) return volume;
  const { name = "", annotations = {}, labels = {} } = volume.metadata;
  const zones = (labels[ZONES[1]] || labels[ZONES[0]])?.split("__") ?? [];
  const namespace = volume.spec.claimRef?.namespace ?? "";
  const source = kind.source(volume.spec, { name, namespace, annotations, zones });
  const { [kind.field]: _source, nodeAffinity: _affinity, ...spec } = volume.spec;
  const nodeSelectorTerms = translateTopology(volume, kind);
  return {
    ...volume,
    spec: {
      ...spec,
      ...(kind.singleWriter && { accessModes: singleWriterModes(spec.accessModes ?? []) }),
      ...(nodeSelectorTerms.length > 0 && { nodeAffinity: { required: { nodeSelectorTerms } } }),
      csi: { driver: kind.driver, ...source },
    },
  };
}

/**
 * Returns the volume that a pod names by an in-tree source without a claim, as a PersistentVolume
 * that exists nowhere; undefined for other kinds. Throws as translateVolume does.
 */
export function translateInline(volume: Volume, namespace: string): PersistentVolume | undefined {
  const kind = kindOf(volume);
  if (!kind) return undefined;
  // A pod's source is the PersistentVolume's without the namespaces that only the latter can name.
  const { name, [kind.field]: given } = volume;
  const origin = { name, namespace, annotations: {}, zones: [] };
  const inTree = { [kind.field]: { ...given, secretNamespace: undefined, secretRef: undefined } };
  const source = kind.source(inTree, origin);
  const bytes = Buffer.byteLength(source.volumeHandle);
  if (bytes === 0 || bytes > INLINE_HANDLE_BYTES_MAX) {
    const message =
      `the handle of volume ${name} has ${bytes} bytes, ` +
      `1 to ${INLINE_HANDLE_BYTES_MAX} are allowed: correct its ${kind.field}`;
    throw new CodedError("NotTranslated", message);
  }
  return {
    metadata: { name: `${kind.driver}-${source.volumeHandle}` },
    spec: {
      csi: { driver: kind.driver, ...source },
      accessModes: [kind.inlineMode?.(inTree) ?? "ReadWriteOnce"],
      volumeMode: "Filesystem",
    },
  };
}

/** The CSI source of a volume, translated if need be; undefined if it has none. */
export function csiSourceOf(volume: PersistentVolume): CSIPersistentVolumeSource | undefined {
  return orUndefined(() => translateVolume(volume))?.spec.csi;
}

/** Returns what `translate` returns; undefined for a volume that no driver serves. */
export function orUndefined<T>(translate: () => T): T | undefined {
  try {
    return translate();
  } catch (thrown) {
    if (!(thrown instanceof CodedError)) throw thrown;
    return undefined;
  }
}

/** In-tree, a disk for one writer was taken for ReadWriteMany too. */
function singleWriterModes(
  modes: readonly PersistentVolumeAccessMode[],
): PersistentVolumeAccessMode[] {
  const onlyReads = modes.length > 0 && modes.every((mode) => mode === "ReadOnlyMany");
  return [onlyReads ? "ReadOnlyMany" : "ReadWriteOnce"];
}

/** The terms of a volume's node affinity, by the driver's topology keys. */
function translateTopology(
  { metadata: { labels = {} }, spec }: PersistentVolume,
  { zoneKey, regionKey }: InTreeKind,
): NodeSelectorTerm[] {
  const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  if (zoneKey === undefined) return terms;
  const keys = new Set(terms.flatMap(keysOf));
  const generation =
    [0, 1].find((at) => keys.has(ZONES[at]!)) ??
    [0, 1].find((at) => labels[ZONES[at]!] !== undefined) ??
    0;
  const zoned = moveKey(terms, ZONES[generation]!, zoneKey, labels);
  if (regionKey !== undefined) return moveKey(zoned, REGIONS[generation]!, regionKey, labels);
  return generation === 1 ? moveKey(zoned, REGIONS[1], REGIONS[0], {}) : zoned;
}

const keysOf = ({ matchExpressions = [] }: NodeSelectorTerm) =>
  matchExpressions.map(({ key }) => key);

/** Renames a key in all terms; if none has it, a label's values are required in each. */
function moveKey(
  terms: readonly NodeSelectorTerm[],
  from: string,
  to: string,
  labels: Readonly<Record<string, string>>,
): NodeSelectorTerm[] {
  if (terms.flatMap(keysOf).includes(from)) {
    return terms.map((term) => ({
      ...term,
      matchExpressions: (term.matchExpressions ?? []).map((each) =>
        each.key === from ? { ...each, key: to } : each,
      ),
    }));
  }
  const values = [...new Set(labels[from]?.split("__").filter((each) => each !== "") ?? [])].sort();
  if (values.length === 0) return [...terms];
  const required = { key: to, operator: "In" as const, values };
  return (terms.length === 0 ? [{}] : terms).map((term: NodeSelectorTerm) => ({
    ...term,
    matchExpressions: [...(term.matchExpressions ?? []), required],
  }));
}

/**
 * Returns a class of an in-tree provisioner as one of its CSI driver, others as they are. Throws
 * CodedError if it names its zones twice.
 */
export function translateClass(storageClass: StorageClass): StorageClass {
  const kind = IN_TREE_KINDS.find(({ plugin }) => plugin === storageClass.provisioner);
  if (!kind) return storageClass;
  const { parameters: given = {}, allowedTopologies } = storageClass;
  const parameters: Record<string, string> = {};
  let zones: string[] | undefined;
  for (const [key, value] of Object.entries(given)) {
    const name = key.toLowerCase();
    const renamed = kind.parameters?.[name];
    if (renamed) for (const each of renamed) parameters[each] = value;
    else if (kind.onlyThese) continue;
    else if (kind.classZoneKey && name === "zone") zones = [value];
    else if (kind.classZoneKey && name === "zones") zones = value.split(",");
    else parameters[key] = value;
  }
  if (zones && allowedTopologies?.length) {
    const message = "both allowedTopologies and a parameter zone or zones are set";
    throw new CodedError("NotTranslated", `StorageClass ${storageClass.metadata.name}: ${message}`);
  }
  const topologies = zones
    ? [{ matchLabelExpressions: [{ key: ZONES[0], values: zones }] }]
    : allowedTopologies;
  return {
    ...storageClass,
    provisioner: kind.driver,
    parameters: { ...parameters, ...kind.added?.(given) },
    ...(topologies && { allowedTopologies: topologies.map((term) => translateTerm(term, kind)) }),
  };
}

function translateTerm(
  { matchLabelExpressions = [] }: TopologySelectorTerm,
  { classZoneKey, field }: InTreeKind,
): TopologySelectorTerm {
  if (classZoneKey === undefined) return { matchLabelExpressions };
  return {
    matchLabelExpressions: matchLabelExpressions.map(({ key, values }) => {
      if (!(ZONES as readonly string[]).includes(key)) return { key, values };
      // A region of Azure without zones has numbers in their place, which its driver leaves empty.
      const unzoned = (value: string) => (/^[0-9]+$/.test(value) ? "" : value);
      return { key: classZoneKey, values: field === "azureDisk" ? values.map(unzoned) : values };
    }),
  };
}

/** The annotations that name the provisioner of a claim, and of a volume. */
export const CLAIM_PROVISIONERS = [STORAGE_PROVISIONER, STORAGE_PROVISIONER_BETA] as const;
export const VOLUME_PROVISIONERS = [PROVISIONED_BY] as const;

/** The driver that provisions, or has provisioned, by the first of `keys` that is annotated. */
export function provisionerIn(
  annotations: Readonly<Record<string, string>> | undefined,
  keys: readonly string[],
): string | undefined {
  const key = keys.find((each) => annotations?.[each] !== undefined);
  return key && driverOfProvisioner(annotations![key]!);
}

/**
 * Returns an object's annotations with the driver that acts for its in-tree provisioner, or
 * without one that no longer does; undefined if they are right (upstream's migrated-to).
 */
export function migrationOf(
  annotations: Readonly<Record<string, string>> | undefined,
  keys: readonly string[],
): Record<string, string> | undefined {
  const driver = provisionerIn(annotations, keys);
  if (driver === undefined) return undefined;
  const wanted = keys.some((key) => annotations?.[key] === driver) ? undefined : driver;
  const { [MIGRATED_TO]: had, ...others } = annotations ?? {};
  if (had === wanted) return undefined;
  return wanted === undefined ? others : { ...others, [MIGRATED_TO]: wanted };
}
