import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isAlreadyExists } from "@raft2kube/client-kube/errors.ts";
import { controllerOf, controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import { PERSISTENT_VOLUME_CLAIMS, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { ControllerContext, Running } from "../context.ts";
import { closeAll, everyChange, startLoop } from "../loop.ts";

const ACCOUNT = "ephemeral-volume-controller";
const COMPONENT = "ephemeral_volume";
const POD = { apiVersion: "v1", kind: "Pod" };

/** Each generic ephemeral volume of a pod has a claim of its own, which goes with the pod. */
export function startEphemeralVolumes(context: ControllerContext): Running {
  const pods = context.informers.of(PODS);
  const claims = context.informers.of(PERSISTENT_VOLUME_CLAIMS);
  const writer = context.client(ACCOUNT).resource(PERSISTENT_VOLUME_CLAIMS);

  const recorder = context.recorder(ACCOUNT, COMPONENT);

  const reconcile = async (key: string) => {
    const pod = pods.store.get(key);
    if (!pod || pod.metadata.deletionTimestamp || isPodTerminal(pod)) return;
    for (const { volume, claim } of wantedClaims(pod)) {
      const { namespace = "", name = "" } = claim.metadata;
      // One of another owner is left alone: scheduler and kubelet refuse it by name.
      if (claims.store.get(`${namespace}/${name}`)) continue;
      try {
        await writer.create(claim);
      } catch (thrown) {
        if (isAlreadyExists(thrown)) continue;
        const message = `ephemeral volume ${volume}: create PVC ${name}: ${messageOf(thrown)}`;
        recorder.record(pod, "Warning", "FailedBinding", message);
        throw thrown;
      }
    }
  };

  const loop = startLoop(context, {
    queue: "ephemeral_volume",
    name: ACCOUNT,
    reads: [pods, claims],
    reconcile,
  });
  pods.handle(everyChange(loop.queue));
  claims.handle({
    deleted: (claim) => {
      const owner = controllerOf(claim);
      if (owner?.kind === POD.kind) loop.queue.add(`${claim.metadata.namespace}/${owner.name}`);
    },
  });
  return closeAll(loop, recorder);
}

/** The claims of a pod's ephemeral volumes, by the volumes' names, as their templates say. */
function wantedClaims(pod: Pod): { volume: string; claim: PersistentVolumeClaim }[] {
  const { namespace } = pod.metadata;
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const template = volume.ephemeral?.volumeClaimTemplate;
    const name = claimNameOf(pod, volume);
    if (template === undefined || name === undefined) return [];
    const { labels, annotations } = template.metadata ?? {};
    const claim = {
      metadata: {
        ...{ namespace, name, ownerReferences: [controllerReference(pod, POD)] },
        ...(labels && { labels }),
        ...(annotations && { annotations }),
      },
      spec: template.spec,
    };
    return [{ volume: volume.name, claim }];
  });
}
