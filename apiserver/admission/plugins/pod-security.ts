import type { Pod, PodSpec } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { POD_SECURITY_PODS_MAX } from "../../limits.ts";
import type { PodSecurityMetrics, PodSecuritySubject } from "../../metrics/admission.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";
import { detailOf, reasonOf, violations } from "../pod-security/evaluate.ts";
import type { Judged } from "../pod-security/finding.ts";
import { isExempt, type PodSecurityConfiguration } from "../pod-security/configuration.ts";
import {
  ignoredPolicy,
  type LevelVersion,
  policyOf,
  strictness,
  textOf,
} from "../pod-security/policy.ts";
import { namespaceLookup } from "./namespace.ts";

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

/** Where kinds that make pods keep the template. */
const TEMPLATES: Readonly<Record<string, (object: KubeObject) => Template | undefined>> = {
  "/podtemplates": (object) => (object as Made).template,
  "/replicationcontrollers": ofSpec,
  "apps/replicasets": ofSpec,
  "apps/deployments": ofSpec,
  "apps/statefulsets": ofSpec,
  "apps/daemonsets": ofSpec,
  "batch/jobs": ofSpec,
  "batch/cronjobs": (object) => (object as Made).spec?.jobTemplate?.spec?.template,
};

interface Template {
  metadata?: Judged["metadata"];
  spec?: PodSpec;
}

interface Made extends KubeObject {
  template?: Template;
  spec?: { template?: Template; jobTemplate?: { spec?: { template?: Template } } };
}

function ofSpec(object: KubeObject): Template | undefined {
  return (object as Made).spec?.template;
}

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
        return check(request, judge, policy.enforce, policy.warn);
      }
      const template = templateOf!(object);
      if (template?.spec === undefined) return;
      if (isExemptClass(template.spec)) return metrics.exempted(subject);
      const judge = judgeOf(metrics, subject, template.metadata ?? {}, template.spec);
      check(request, judge, undefined, policy.warn);
    },
  };
}

/** What a pod, or the template of one, does against a level. */
type Judge = (mode: "enforce" | "warn", level: LevelVersion) => ReturnType<typeof violations>;

function judgeOf(
  metrics: PodSecurityMetrics,
  subject: PodSecuritySubject,
  metadata: Judged["metadata"],
  spec: PodSpec,
): Judge {
  return (mode, level) => {
    const found = violations(level, metadata, spec);
    metrics.evaluated(subject, mode, level, found.length === 0);
    return found;
  };
}

function check(
  request: AdmissionRequest,
  judge: Judge,
  enforce: LevelVersion | undefined,
  warn: LevelVersion,
): void {
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

/** Whether pods that were let in by `old` may be refused now. */
function isStricter(now: LevelVersion, old: LevelVersion): boolean {
  if (now.level === "privileged") return false;
  return now.version !== old.version || strictness(now.level) > strictness(old.level);
}

function warningsAbout(namespace: string, enforce: LevelVersion, pods: readonly Pod[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const pod of pods.slice(0, POD_SECURITY_PODS_MAX)) {
    const found = violations(enforce, pod.metadata ?? {}, pod.spec!);
    if (found.length === 0) continue;
    const reason = reasonOf(found);
    byReason.set(reason, [...(byReason.get(reason) ?? []), pod.metadata?.name ?? ""]);
  }
  const level = textOf(enforce);
  const cut = "new PodSecurity enforce level only checked against the first";
  const head = `existing pods in namespace "${namespace}" violate the new PodSecurity`;
  return [
    ...(pods.length > POD_SECURITY_PODS_MAX
      ? [`${cut} ${POD_SECURITY_PODS_MAX} of ${pods.length} existing pods`]
      : []),
    ...(byReason.size > 0 ? [`${head} enforce level "${level}"`] : []),
    ...[...byReason].map(([reason, names]) => `${namesText(names)}: ${reason}`).sort(),
  ];
}

function namesText(names: readonly string[]): string {
  const [first = "", ...others] = [...names].sort();
  if (others.length === 0) return first;
  return `${first} (and ${others.length} other ${others.length === 1 ? "pod" : "pods"})`;
}

/** Of a pod's update only new images and containers can break a rule. */
function changesImages(pod: Pod, old: Pod): boolean {
  const lists = ["containers", "initContainers"] as const;
  const changed = lists.some((list) => {
    const [now, before] = [pod.spec?.[list] ?? [], old.spec?.[list] ?? []];
    const same = (index: number) => now[index]!.image === before[index]!.image;
    return now.length !== before.length || now.some((_, index) => !same(index));
  });
  if (changed) return true;
  const known = old.spec?.ephemeralContainers ?? [];
  return (pod.spec?.ephemeralContainers ?? []).some(
    ({ name, image }) => known.find((each) => each.name === name)?.image !== image,
  );
}
