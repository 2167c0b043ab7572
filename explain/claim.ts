import type * as core from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { NO_PROVISIONER, SELECTED_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { type Explanation, listed, newest, quoted, waiting, well, wrong } from "./explanation.ts";
import type { ClaimFacts } from "./facts.ts";

const IS_DEFAULT = "storageclass.kubernetes.io/is-default-class";
const namesOf = (objects: readonly KubeObject[]): string =>
  listed(objects.map(({ metadata }) => metadata.name ?? ""));

/** Explains why a PersistentVolumeClaim is Pending, lost or still there. */
export function explainClaim(facts: ClaimFacts): Explanation {
  const { what, claim, pods } = facts;
  const { deletionTimestamp, finalizers = [] } = claim.metadata;
  const { volumeName } = claim.spec;
  const users = namesOf(pods);
  if (deletionTimestamp) {
    const leaving = `${what} is being deleted`;
    return pods.length === 0
      ? waiting(`${leaving} and waits for ${listed(finalizers)}`)
      : waiting(`${leaving} when pod ${users} no longer uses it`, "delete that, or what makes it");
  }
  if (claim.status?.phase === "Bound") {
    const size = claim.status.capacity?.["storage"] ?? "unknown size";
    return well(`${what} has volume ${volumeName} of ${size}, used by ${users || "no pod"}`);
  }
  if (claim.status?.phase === "Lost") {
    const sentence = `${what} is lost: its volume ${volumeName} no longer exists`;
    return wrong(sentence, "restore the volume, or make the claim again without its data");
  }
  return volumeName ? explainNamed(facts, volumeName) : explainClass(facts);
}

function explainClass(facts: ClaimFacts): Explanation {
  const { what, claim, classes } = facts;
  const { storageClassName: name } = claim.spec;
  if (name === "") return explainStatic(facts, "with no class");
  if (name === undefined) {
    if (classes?.some(({ metadata }) => metadata.annotations?.[IS_DEFAULT] === "true")) {
      return waiting(`${what} waits to get the cluster's default class`);
    }
    const remedy = classes?.length
      ? `set spec.storageClassName to one of ${namesOf(classes)}, or make one the default`
      : "create a StorageClass, or a PersistentVolume that fits";
    const sentence = `${what} is Pending: it names no class and no StorageClass is the default`;
    return wrong(sentence, remedy);
  }
  if (!classes) return waiting(`${what} is Pending; its class ${name} cannot be read`);
  const found = classes.find(({ metadata }) => metadata.name === name);
  if (!found) {
    const also = classes.length > 0 ? `use one of ${namesOf(classes)}` : "create that StorageClass";
    return explainStatic(facts, `of class ${name}, which does not exist`, `; or ${also}`);
  }
  return found.provisioner === NO_PROVISIONER
    ? explainStatic(facts, `of class ${name}, which makes none`)
    : explainProvisioning(facts, found);
}

function explainProvisioning(
  { what, claim, pods, events }: ClaimFacts,
  { metadata, provisioner, volumeBindingMode }: StorageClass,
): Explanation {
  const isSelected = Boolean(claim.metadata.annotations?.[SELECTED_NODE]);
  if (volumeBindingMode === "WaitForFirstConsumer" && !isSelected) {
    const pod = pods[0]?.metadata.name;
    const remedy = `r2k explain pod/${pod}`;
    if (pod) return waiting(`${what} is Pending until its pod ${pod} has a node`, remedy);
    const sentence = `${what} is Pending until a pod uses it, as its class ${metadata.name} wants`;
    return waiting(sentence, "start a pod with this claim; nothing is wrong");
  }
  const failed = newest(events, "ProvisioningFailed");
  if (failed) {
    const why = `${provisioner} could not make a volume: ${quoted(failed.message)}`;
    return wrong(`${what} is Pending: ${why}`, "change what it names; the driver tries again");
  }
  const remedy = "if it stays so, check that its provisioner runs: kubectl get pods -A, r2k status";
  return waiting(`${what} waits for ${provisioner} to make its volume`, remedy);
}

function explainNamed({ what, claim, volumes }: ClaimFacts, volumeName: string): Explanation {
  const volume = volumes?.find(({ metadata }) => metadata.name === volumeName);
  if (volumes && !volume) {
    const sentence = `${what} is Pending: its volume ${volumeName} does not exist`;
    return wrong(sentence, "create that PersistentVolume, or leave out spec.volumeName");
  }
  const { namespace, name } = volume?.spec.claimRef ?? claim.metadata;
  const sentence = `${what} is Pending: its volume ${volumeName} is bound to ${namespace}/${name}`;
  return name === claim.metadata.name && namespace === claim.metadata.namespace
    ? waiting(`${what} is about to be bound to volume ${volumeName}`)
    : wrong(sentence, "name another volume");
}

function misfit({ spec }: core.PersistentVolumeClaim, { spec: volume }: core.PersistentVolume) {
  const wanted = spec.resources?.requests?.["storage"] ?? "0";
  const { storageClassName: name = "", volumeMode = "Filesystem" } = volume;
  const size = volume.capacity?.["storage"] ?? "0";
  if (name !== (spec.storageClassName ?? "")) return `is of class "${name}"`;
  if (compareQuantity(size, wanted) < 0) return `has ${size}, less than ${wanted}`;
  const missing = (spec.accessModes ?? []).filter((mode) => !volume.accessModes?.includes(mode));
  if (missing.length > 0) return `does not offer ${listed(missing)}`;
  if (volumeMode !== (spec.volumeMode ?? "Filesystem")) return `is of mode ${volumeMode}`;
  return spec.selector ? "has other labels than spec.selector" : "is about to be bound";
}

function explainStatic({ what, claim, volumes = [] }: ClaimFacts, kind: string, or = "") {
  const available = volumes.filter(({ status }) => status?.phase === "Available");
  const reasons = available.map((volume) => `${volume.metadata.name} ${misfit(claim, volume)}`);
  const none = `none of ${reasons.length} available fits: ${listed(reasons.slice(0, 3))}`;
  const why = reasons.length === 0 ? "no PersistentVolume is available" : none;
  const sentence = `${what} is Pending: it wants a volume ${kind}, and ${why}`;
  return wrong(sentence, `create a PersistentVolume that fits${or}`);
}
