import { isDeepStrictEqual } from "node:util";
import { qosClassOf } from "@raft2kube/api/core/v1/pod/qos.ts";
import type { Toleration } from "@raft2kube/api/gen/core/v1.ts";
import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Pod } from "../../object/pod.ts";
import type { AdmissionContext } from "../context.ts";
import { namespaceLookup } from "../matching/namespace.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns } from "../plugin.ts";

const DEFAULTS = "scheduler.alpha.kubernetes.io/defaultTolerations";
const ALLOWED = "scheduler.alpha.kubernetes.io/tolerationsWhitelist";

/** Whether `wide` tolerates all that `narrow` does. */
function covers(wide: Toleration, narrow: Toleration): boolean {
  if (isDeepStrictEqual(wide, narrow)) return true;
  const isAny = !wide.key && wide.operator === "Exists";
  if ((wide.key ?? "") !== (narrow.key ?? "") && !isAny) return false;
  if (wide.effect && wide.effect !== narrow.effect) return false;
  if (wide.effect === "NoExecute" && wide.tolerationSeconds !== undefined) {
    const { tolerationSeconds: narrow_s } = narrow;
    if (narrow_s === undefined || narrow_s > wide.tolerationSeconds) return false;
  }
  if (wide.operator === "Exists") return true;
  return narrow.operator === "Equal" && (narrow.value ?? "") === (wide.value ?? "");
}

/** Both lists without those that another one covers; of equal ones the first. */
function merge(first: readonly Toleration[], second: readonly Toleration[]): Toleration[] {
  const all = [...first, ...second];
  const kept: Toleration[] = [];
  all.forEach((each, index) => {
    const isCovered =
      kept.some((other) => covers(other, each)) ||
      all.slice(index + 1).some((other) => !isDeepStrictEqual(other, each) && covers(other, each));
    if (!isCovered) kept.push(each);
  });
  return kept;
}

/** Tolerations in an annotation; undefined without it. Throws 500 for another text. */
function tolerationsIn(text: string | undefined): readonly Toleration[] | undefined {
  if (text === undefined || text === "") return text === undefined ? undefined : [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
  }
  if (Array.isArray(parsed)) return parsed as Toleration[];
  throw internal(`tolerations of the namespace are no list: ${JSON.stringify(text)}`);
}

/** Gives pods the tolerations of their namespace, and refuses those that it does not allow. */
export function podTolerationRestriction(context: AdmissionContext): AdmissionPlugin {
  const { tolerations: configured } = context.configuration;
  const find = namespaceLookup(context);
  const annotationOf = async (namespace: string, name: string) =>
    tolerationsIn((await find(namespace))?.metadata.annotations?.[name]);
  const isAbout = (request: AdmissionRequest) =>
    concerns(request, "", "pods") &&
    (request.operation === "CREATE" || request.operation === "UPDATE");
  const check = async (request: AdmissionRequest) => {
    const { tolerations = [] } = (request.object as Pod).spec;
    const own = await annotationOf(request.namespace, ALLOWED);
    const allowed = own ?? configured.allowed;
    if (allowed.length === 0) return;
    const isAllowed = tolerations.every((each) => allowed.some((other) => covers(other, each)));
    if (isAllowed) return;
    const scope = own === undefined ? "cluster" : "namespace";
    throw internal(
      "pod tolerations (possibly merged with namespace default tolerations) " +
        `conflict with its ${scope} whitelist`,
    );
  };
  return {
    name: "PodTolerationRestriction",
    async admit(request) {
      if (!isAbout(request)) return;
      const { spec } = request.object as Pod;
      const extra: Toleration[] =
        request.operation === "CREATE"
          ? [...((await annotationOf(request.namespace, DEFAULTS)) ?? configured.defaults)]
          : [];
      if (qosClassOf(spec) !== "BestEffort") {
        const key = "node.kubernetes.io/memory-pressure";
        extra.push({ key, operator: "Exists", effect: "NoSchedule" });
      }
      if (extra.length > 0) spec.tolerations = merge(spec.tolerations ?? [], extra);
      await check(request);
    },
    async validate(request) {
      if (isAbout(request)) await check(request);
    },
  };
}
