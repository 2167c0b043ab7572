import type { Pod, PodSpec } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { isExempt, type PodSecurityConfiguration } from "@raft2kube/pod-security/configuration.ts";
import { detailOf, violations } from "@raft2kube/pod-security/evaluate.ts";
import type { Judged } from "@raft2kube/pod-security/finding.ts";
import { isStricter, warningsAbout } from "@raft2kube/pod-security/namespace.ts";
import {
  ignoredPolicy,
  type LevelVersion,
  policyOf,
  textOf,
} from "@raft2kube/pod-security/policy.ts";
import { TEMPLATES } from "@raft2kube/pod-security/template.ts";
import { changesImages } from "@raft2kube/pod-security/update.ts";
import type { PodSecurityMetrics, PodSecuritySubject } from "../../metrics/admission.ts";
import type { AdmissionContext } from "../context.ts";
import { namespaceLookup } from "../matching/namespace.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";

/** The start of the audit annotations' keys. */
const PREFIX = "pod-security.kubernetes.io";
/** Subresources of pods that do not change what runs. */
const IGNORED_PARTS = new Set([
  "exec",
  "attach",
  "binding",
  "eviction",
  "log",
  "portforward",
  "proxy",
  "status",
]);

/** Holds pods to the Pod Security Standards that their namespace's labels name. */
export function podSecurity(context: AdmissionContext): AdmissionPlugin {
  const pods = context.resources.of("v1", "pods");
  const { podSecurity: configuration } = context.configuration;
  const { defaults, exemptions } = configuration;
  const isExemptClass = ({ runtimeClassName = "" }: PodSpec) =>
    exemptions.runtimeClasses.has(runtimeClassName);
  const findNamespace = namespaceLookup(context);
  const { metrics } = context;
  const podsIn = async (namespace: string) =>
    (await pods.cache())
      .list()
      .filter((entry) => entry.namespace === namespace)
      .map((entry) => entry.object() as KubeObject as Pod & KubeObject)
      .filter(({ spec }) => !isExemptClass(spec!));
  return {
    name: "PodSecurity",
    async validate(request) {
      const { operation, resource, object } = request;
      if ((operation !== "CREATE" && operation !== "UPDATE") || object === undefined) return;
      const { group, plural } = resource.kind;
      if (group === "" && plural === "namespaces") {
        return await checkNamespace(request, configuration, podsIn);
      }
      const isPod = group === "" && plural === "pods";
      const templateOf = TEMPLATES[`${group}/${plural}`];
      if (isPod ? IGNORED_PARTS.has(request.subresource) : request.subresource !== "") return;
      if (!isPod && templateOf === undefined) return;
      const subject = { operation, isPod, subresource: request.subresource };
      if (isExempt(configuration, request.namespace, request.user)) {
        return metrics.exempted(subject);
      }
      const namespace = await findNamespace(request.namespace);
      const { policy } = policyOf(namespace?.metadata.labels, defaults);
      if (isPod) {
        const old = request.old as Pod | undefined;
        if (old && !changesImages(object as Pod, old)) return;
        const { metadata, spec } = object as KubeObject & { spec: PodSpec };
        if (isExemptClass(spec)) return metrics.exempted(subject);
        const judge = judgeOf(metrics, subject, metadata, spec);
        const { annotations } = request;
        annotations.add(`${PREFIX}/enforce-policy`, textOf(policy.enforce));
        return check(request, judge, policy.enforce, policy);
      }
      const template = templateOf!(object);
      if (template?.spec === undefined) return;
      if (isExemptClass(template.spec)) return metrics.exempted(subject);
      const judge = judgeOf(metrics, subject, template.metadata ?? {}, template.spec);
      check(request, judge, undefined, policy);
    },
  };
}

/** Returns the violations of a level by a pod or a pod template. */
type Judge = (
  mode: "audit" | "enforce" | "warn",
  level: LevelVersion,
) => ReturnType<typeof violations>;

function judgeOf(
  metrics: PodSecurityMetrics,
  subject: PodSecuritySubject,
  metadata: Judged["metadata"],
  spec: PodSpec,
): Judge {
  return (mode, level) => {
    const found = violations(level, metadata, spec);
    // As upstream: the modes that only report count what they report.
    if (mode === "enforce" || found.length > 0) {
      metrics.evaluated(subject, mode, level, found.length === 0);
    }
    return found;
  };
}

function check(
  request: AdmissionRequest,
  judge: Judge,
  enforce: LevelVersion | undefined,
  { audit, warn }: { readonly audit: LevelVersion; readonly warn: LevelVersion },
): void {
  const audited = judge("audit", audit);
  if (audited.length > 0) {
    const text = `would violate PodSecurity "${textOf(audit)}": ${detailOf(audited)}`;
    request.annotations.add(`${PREFIX}/audit-violations`, text);
  }
  const refused = enforce ? judge("enforce", enforce) : [];
  if (enforce && refused.length > 0) {
    const what = `violates PodSecurity "${textOf(enforce)}": ${detailOf(refused)}`;
    throw refusal(request, what);
  }
  const found = judge("warn", warn);
  if (found.length === 0) return;
  request.warnings.push(`would violate PodSecurity "${textOf(warn)}": ${detailOf(found)}`);
}

/** Labels of a namespace must make sense; pods that break a level newly enforced are named. */
async function checkNamespace(
  request: AdmissionRequest,
  configuration: PodSecurityConfiguration,
  podsIn: (namespace: string) => Promise<Pod[]>,
): Promise<void> {
  if (!concerns(request, "", "namespaces")) return;
  const { defaults, exemptions } = configuration;
  const { labels } = request.object!.metadata;
  const { policy, errors } = policyOf(labels, defaults);
  const before = request.old && policyOf(request.old.metadata.labels, defaults);
  const known = before !== undefined && JSON.stringify(before.errors) === JSON.stringify(errors);
  if (errors.length > 0 && !known) {
    throw invalid(request.resource.kindSubject, request.name, errors);
  }
  const { enforce } = policy;
  if (before !== undefined && !isStricter(enforce, before.policy.enforce)) return;
  const name = request.name || request.object!.metadata.name!;
  if (exemptions.namespaces.has(name)) {
    const ignored = ignoredPolicy(name, labels, policy, defaults);
    if (ignored !== undefined) request.warnings.push(ignored);
    return;
  }
  if (before === undefined) return;
  request.warnings.push(...warningsAbout(request.name, enforce, await podsIn(request.name)));
}
