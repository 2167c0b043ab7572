/** The common parts of kinds with a pod template. */

import { column, selectorCell, wide } from "../../columns.ts";
import { defaultPodSpec } from "../../core/v1/pod/defaults.ts";
import { validatePodTemplate } from "../../core/v1/pod/validate-spec.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../../errors.ts";
import type { Container, PodTemplateSpec } from "../../gen/core/v1.ts";
import type { LabelSelector } from "../../gen/meta/v1.ts";
import type { Column, KubeObject } from "../../kind.ts";
import type { IntOrString } from "../../scalars.ts";
import { matchesSelector } from "../../selector.ts";
import { invalidBy } from "../../validation/checks.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { nonNegative } from "../../validation/metadata.ts";
import { percent } from "../../validation/names.ts";

/** The spec that all of them have. */
export interface WorkloadSpec {
  readonly selector?: LabelSelector;
  readonly template: PodTemplateSpec;
}

/** Fills the template as a pod's spec is filled. */
export function defaultTemplate(template: PodTemplateSpec): void {
  template.spec ??= { containers: [] };
  defaultPodSpec(template.spec);
}

const isEmpty = (selector: LabelSelector): boolean =>
  Object.keys(selector.matchLabels ?? {}).length === 0 &&
  (selector.matchExpressions ?? []).length === 0;

/** The word for the kind in upstream's complaints; ReplicaSets say deployment too. */
export type Owner = "deployment" | "daemonset" | "statefulset";

/** The template's labels satisfy the selector; an absent one selects nothing. */
function validateMatch(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec,
): FieldError[] {
  const labels = template.metadata?.labels;
  if (selector !== undefined && (isEmpty(selector) || matchesSelector(selector, labels))) return [];
  const rule = "`selector` does not match template `labels`";
  return [invalid("spec.template.metadata.labels", labels ?? null, rule)];
}

/** The rules of selector and template; `owner` is the word in upstream's complaints. */
export function validateWorkload(
  spec: WorkloadSpec,
  owner: Owner,
  limitOwner: string,
): FieldError[] {
  const { selector, template } = spec;
  const errors = validateLabelSelector(selector, "spec.selector");
  const unreadable = errors.length > 0;
  if (selector === undefined && owner !== "daemonset") errors.push(required("spec.selector"));
  if (selector !== undefined && isEmpty(selector)) {
    errors.push(invalid("spec.selector", selector, `empty selector is invalid for ${owner}`));
  }
  if (unreadable && owner !== "daemonset") {
    const detail = owner === "deployment" ? "invalid label selector" : "";
    errors.push(invalid("spec.selector", selector, detail));
    if (owner === "deployment") return errors;
  } else if (!unreadable) errors.push(...validateMatch(selector, template));
  return [...errors, ...validateTemplate(template, limitOwner)];
}

/** The rules of templates whose pods run until they are deleted. */
export function validateTemplate(template: PodTemplateSpec, limitOwner: string): FieldError[] {
  const errors = validatePodTemplate(template, "spec.template");
  const policy = template.spec?.restartPolicy;
  if (policy !== "Always") {
    errors.push(notSupported("spec.template.spec.restartPolicy", policy ?? "", ["Always"]));
  }
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    const rule = `activeDeadlineSeconds in ${limitOwner} is not Supported`;
    errors.push(forbidden("spec.template.spec.activeDeadlineSeconds", rule));
  }
  return errors;
}

/** The errors of parts of a status that are more than its replicas, or than those `ready`. */
export function validateParts<Name extends string>(
  status: ({ readonly [name in Name]?: number } & Replicas) | undefined,
  names: readonly Name[],
  ready: string,
): FieldError[] {
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0 } = status ?? {};
  const errors = names.flatMap((name) => {
    const count = status?.[name] ?? 0;
    if (count <= replicas) return [];
    return [invalid(`status.${name}`, count, "cannot be greater than status.replicas")];
  });
  if (availableReplicas <= readyReplicas) return errors;
  const rule = `cannot be greater than ${ready}`;
  return [...errors, invalid("status.availableReplicas", availableReplicas, rule)];
}

type Replicas = Partial<Record<"replicas" | "readyReplicas" | "availableReplicas", number>>;

/** A number that is not negative, or a share of at most 100 % where `capped`. */
export function validateShare(
  value: IntOrString | undefined,
  path: string,
  capped: boolean,
): FieldError[] {
  if (typeof value === "number") return nonNegative(path, value);
  if (value === undefined) return [];
  const errors = invalidBy(percent, path, value);
  if (capped && errors.length === 0 && Number.parseInt(value, 10) > 100) {
    errors.push(invalid(path, value, "must not be greater than 100%"));
  }
  return errors;
}

/** Whether a number or share is nothing; what is neither counts as nothing too. */
export function isZeroShare(value: IntOrString | undefined): boolean {
  const number = Number.parseInt(String(value ?? 0), 10);
  return number === 0 || Number.isNaN(number);
}

/** The columns of `-o wide` about a template. */
export function templateColumns<T extends KubeObject>(
  template: (object: T) => PodTemplateSpec | undefined,
): Column<T>[] {
  const containers = (object: T): Container[] => template(object)?.spec?.containers ?? [];
  return [
    wide("Containers", (object) =>
      containers(object)
        .map((each) => each.name)
        .join(","),
    ),
    wide("Images", (object) =>
      containers(object)
        .map((each) => each.image ?? "")
        .join(","),
    ),
  ];
}

export const selectorColumn = <T extends KubeObject>(
  selector: (object: T) => LabelSelector | undefined,
): Column<T> => wide("Selector", (object) => selectorCell(selector(object)));

export const countColumn = <T extends KubeObject>(
  name: string,
  count: (object: T) => number | undefined,
): Column<T> => column(name, (object) => count(object) ?? 0, { type: "integer" });
