import type {
  Event,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
} from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { NO_PROVISIONER, SELECTED_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { newest } from "./events.ts";
import { counted, type Explanation, listed, quoted, waiting, well, wrong } from "./explanation.ts";

/** Facts that explain a claim; undefined: they could not be read. */
export interface ClaimFacts {
  readonly claim: PersistentVolumeClaim;
  readonly events: readonly Event[];
  /** Pods that use it. */
  readonly pods: readonly Pod[];
  readonly classes?: readonly StorageClass[] | undefined;
  readonly volumes?: readonly PersistentVolume[] | undefined;
}

const IS_DEFAULT = "storageclass.kubernetes.io/is-default-class";

/** Explains why a PersistentVolumeClaim is Pending, lost or still there. */
export function explainClaim(facts: ClaimFacts): Explanation {
  const { claim, pods } = facts;
  const { name, deletionTimestamp } = claim.metadata;
  const { volumeName } = claim.spec;
  const users = listed(pods.map(({ metadata }) => metadata.name ?? ""));
  if (deletionTimestamp) {
    const [leaving, { finalizers = [] }] = [`Claim ${name} is being deleted`, claim.metadata];
    if (pods.length === 0) return waiting(`${leaving} and waits for ${listed(finalizers)}`);
    const remedy = `delete pod ${users}, or what makes it`;
    return waiting(`${leaving} when pod ${users} no longer uses it`, remedy);
  }
  switch (claim.status?.phase) {
    case "Bound": {
      const size = claim.status.capacity?.["storage"] ?? "unknown size";
      const use = `used by ${users || "no pod"}`;
      return well(`Claim ${name} has volume ${volumeName} of ${size}, ${use}`);
    }
    case "Lost":
      return wrong(
        `Claim ${name} is lost: its volume ${volumeName} no longer exists`,
        "delete the claim and make it again; its data is gone unless the volume is restored",
      );
    default:
      return explainPending(facts);
  }
}

function explainPending(facts: ClaimFacts): Explanation {
  const { claim, classes, volumes } = facts;
  const { name } = claim.metadata;
  const { volumeName, storageClassName } = claim.spec;
  if (volumeName) return explainNamed(claim, volumeName, volumes);
  if (storageClassName === "") return explainStatic(facts, "with no class");
  if (storageClassName === undefined) {
    if (classes?.some(({ metadata }) => metadata.annotations?.[IS_DEFAULT] === "true")) {
      return waiting(`Claim ${name} waits to get the cluster's default class`);
    }
    return wrong(
      `Claim ${name} is Pending: it names no class and no StorageClass is the default`,
      classes?.length
        ? `set spec.storageClassName to one of ${classNames(classes)}, or make one the default`
        : "create a StorageClass, or a PersistentVolume that fits",
    );
  }
  if (!classes) {
    return waiting(`Claim ${name} is Pending; its class ${storageClassName} cannot be read`);
  }
  const found = classes.find(({ metadata }) => metadata.name === storageClassName);
  if (!found) {
    return explainStatic(
      facts,
      `of class ${storageClassName}, which does not exist`,
      classes.length > 0 ? `use one of ${classNames(classes)}` : "create that StorageClass",
    );
  }
  if (found.provisioner === NO_PROVISIONER) {
    return explainStatic(facts, `of class ${storageClassName}, which makes none`);
  }
  return explainProvisioning(facts, found);
}

const classNames = (classes: readonly StorageClass[]): string =>
  listed(classes.map(({ metadata }) => metadata.name ?? ""));

function explainProvisioning(
  { claim, pods, events }: ClaimFacts,
  { metadata, provisioner, volumeBindingMode }: StorageClass,
): Explanation {
  const { name, annotations = {} } = claim.metadata;
  if (volumeBindingMode === "WaitForFirstConsumer" && !annotations[SELECTED_NODE]) {
    const pod = pods[0]?.metadata.name;
    if (pod) {
      const sentence = `Claim ${name} is Pending until its pod ${pod} has a node`;
      return waiting(sentence, `r2k explain pod/${pod}`);
    }
    const why = `as its class ${metadata.name} wants (WaitForFirstConsumer)`;
    const sentence = `Claim ${name} is Pending until a pod uses it, ${why}`;
    return waiting(sentence, "start a pod with this claim; nothing is wrong");
  }
  const failed = newest(events, "ProvisioningFailed");
  if (failed) {
    const why = `${provisioner} could not make a volume: ${quoted(failed.message ?? "")}`;
    const remedy = "change what it names; the driver tries again by itself";
    return wrong(`Claim ${name} is Pending: ${why}`, remedy);
  }
  return waiting(
    `Claim ${name} waits for ${provisioner} to make its volume`,
    `if it stays so, check that this driver's provisioner runs: kubectl get pods -A, r2k status`,
  );
}

function explainNamed(
  { metadata: { name, namespace } }: PersistentVolumeClaim,
  volumeName: string,
  volumes: readonly PersistentVolume[] | undefined,
): Explanation {
  const volume = volumes?.find(({ metadata }) => metadata.name === volumeName);
  if (volumes && !volume) {
    return wrong(
      `Claim ${name} is Pending: its volume ${volumeName} does not exist`,
      "create that PersistentVolume, or make the claim without spec.volumeName",
    );
  }
  const other = volume?.spec.claimRef;
  if (other && (other.name !== name || other.namespace !== namespace)) {
    const why = `its volume ${volumeName} is bound to claim ${other.namespace}/${other.name}`;
    return wrong(`Claim ${name} is Pending: ${why}`, "name another volume");
  }
  return waiting(`Claim ${name} is about to be bound to volume ${volumeName}`);
}

/** No driver makes a volume: one that exists has to fit. */
function explainStatic({ claim, volumes }: ClaimFacts, kind: string, also?: string): Explanation {
  const { name } = claim.metadata;
  const or = also === undefined ? "" : `; or ${also}`;
  const available = (volumes ?? []).filter(({ status }) => status?.phase === "Available");
  const reasons = available.map((volume) => `${volume.metadata.name} ${misfit(claim, volume)}`);
  const some = `of ${counted(available.length, "available volume")} none fits`;
  const why =
    reasons.length === 0
      ? "no PersistentVolume is available"
      : `${some}: ${listed(reasons.slice(0, 3))}`;
  const sentence = `Claim ${name} is Pending: it wants a volume ${kind}, and ${why}`;
  return wrong(sentence, `create a PersistentVolume that fits${or}`);
}

function misfit({ spec }: PersistentVolumeClaim, { spec: volume }: PersistentVolume): string {
  const wanted = spec.resources?.requests?.["storage"] ?? "0";
  const size = volume.capacity?.["storage"] ?? "0";
  if ((volume.storageClassName ?? "") !== (spec.storageClassName ?? "")) {
    return `is of class "${volume.storageClassName ?? ""}"`;
  }
  if (compareQuantity(size, wanted) < 0) return `has ${size}, less than ${wanted}`;
  const missing = (spec.accessModes ?? []).filter((mode) => !volume.accessModes?.includes(mode));
  if (missing.length > 0) return `does not offer ${listed(missing)}`;
  if ((volume.volumeMode ?? "Filesystem") !== (spec.volumeMode ?? "Filesystem")) {
    return `is of mode ${volume.volumeMode ?? "Filesystem"}`;
  }
  return spec.selector ? "has other labels than spec.selector" : "is about to be bound";
}
