import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import * as of from "@raft2kube/client-kube/rest/resources.ts";
import { own } from "@raft2kube/std/own.ts";
import { explainClaim } from "./claim.ts";
import type { Explanation } from "./explanation.ts";
import { claimFacts, type Facts, factsOf, podFacts, serviceFacts } from "./facts.ts";
import { explainPod } from "./pod.ts";
import { explainService } from "./service.ts";

/** Reads an object, and explains it; undefined: it is not there. */
type Explain = (facts: Facts, name: string, now_ms: number) => Promise<Explanation | undefined>;

/** Returns how one kind is explained: by what `read` finds beside the object. */
const explaining =
  <T extends KubeObject, Found>(
    type: ResourceType,
    read: (facts: Facts, object: T, now_ms: number) => Promise<Found>,
    explain: (found: Found) => Explanation,
  ): Explain =>
  async (facts, name, now_ms) => {
    const object = await facts.one<T>(type, name);
    return object && explain(await read(facts, object, now_ms));
  };

const pod = explaining(of.PODS, podFacts, explainPod);
const service = explaining(of.SERVICES, serviceFacts, explainService);
const claim = explaining(of.PERSISTENT_VOLUME_CLAIMS, claimFacts, explainClaim);

/** The kinds that can be explained, by their names in the API and in short. */
export const EXPLAINED: Readonly<Record<string, Explain>> = {
  ...{ pods: pod, pod, po: pod },
  ...{ services: service, service, svc: service },
  ...{ persistentvolumeclaims: claim, persistentvolumeclaim: claim, pvc: claim },
};

/** Reads what an explanation needs and makes it; undefined: there is no such object, or kind. */
export async function explain(
  kube: KubeRequester,
  kind: string,
  namespace: string,
  name: string,
  now_ms: number,
): Promise<Explanation | undefined> {
  const facts = factsOf(kube, namespace);
  const found = await own(EXPLAINED, kind)?.(facts, name, now_ms);
  return !found || facts.unseen.size === 0 ? found : { ...found, unseen: [...facts.unseen] };
}
