import type * as core from "@raft2kube/api/gen/core/v1.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import * as of from "@raft2kube/client-kube/rest/resources.ts";
import { own } from "@raft2kube/std/own.ts";
import { explainClaim } from "./claim.ts";
import { claimFacts, type Facts, factsOf, podFacts, serviceFacts } from "./facts.ts";
import { explainPod } from "./pod.ts";
import { explainService } from "./service.ts";

/** Reads an object, and explains it; undefined: it is not there. */
const pod = async (facts: Facts, name: string, now_ms: number) => {
  const found = await facts.one<core.Pod>(of.PODS, name);
  return found && explainPod(await podFacts(facts, found, now_ms));
};
const service = async (facts: Facts, name: string, now_ms: number) => {
  const found = await facts.one<core.Service>(of.SERVICES, name);
  return found && explainService(await serviceFacts(facts, found, now_ms));
};
const claim = async (facts: Facts, name: string) => {
  const found = await facts.one<core.PersistentVolumeClaim>(of.PERSISTENT_VOLUME_CLAIMS, name);
  return found && explainClaim(await claimFacts(facts, found));
};

/** The kinds that can be explained, by their names in the API and in short. */
export const EXPLAINED: Readonly<Record<string, typeof pod>> = {
  ...{ pods: pod, pod, po: pod },
  ...{ services: service, service, svc: service },
  ...{ persistentvolumeclaims: claim, persistentvolumeclaim: claim, pvc: claim },
};

type Place = { readonly kind: string; readonly namespace: string; readonly name: string };

/** Reads what an explanation needs and makes it; undefined: there is no such object, or kind. */
export async function explain(kube: KubeRequester, at: Place, now_ms: number) {
  const { kind, namespace, name } = at;
  const facts = factsOf(kube, namespace);
  const found = await own(EXPLAINED, kind)?.(facts, name, now_ms);
  return !found || facts.unseen.size === 0 ? found : { ...found, unseen: [...facts.unseen] };
}
