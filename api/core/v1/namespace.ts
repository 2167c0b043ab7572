/** Namespace: the scope of names; it empties itself before it goes. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid } from "../../errors.ts";
import type { Namespace } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { keep } from "../../strategy.ts";
import { invalidBy } from "../../validation/checks.ts";
import { validateMetadataUpdate } from "../../validation/metadata.ts";
import { dnsLabel, qualifiedName } from "../../validation/names.ts";

const NAME_LABEL = "kubernetes.io/metadata.name";
const FINALIZER = "kubernetes";

function label(namespace: Namespace): void {
  const { name } = namespace.metadata;
  if (name !== undefined) {
    namespace.metadata.labels = { ...namespace.metadata.labels, [NAME_LABEL]: name };
  }
}

function defaults(namespace: Namespace): void {
  label(namespace);
  namespace.status ??= {};
  namespace.status.phase ??= "Active";
}

/**
 * `fieldOf` returns the path of one finalizer: upstream has its index in one subresource's errors
 * only.
 */
function validateFinalizers(
  namespace: Namespace,
  fieldOf: (index: number) => string,
): FieldError[] {
  return (namespace.spec.finalizers ?? []).flatMap((name, index) => {
    const field = fieldOf(index);
    const standard = name.includes("/") || name === FINALIZER || name === "orphan";
    return [
      ...invalidBy(qualifiedName, field, name),
      ...(standard
        ? []
        : [
            invalid(
              field,
              name,
              "name is neither a standard finalizer name nor is it fully qualified",
            ),
          ]),
    ];
  });
}

function validatePhase(namespace: Namespace): FieldError[] {
  const phase = namespace.status?.phase;
  const deleted = namespace.metadata.deletionTimestamp !== undefined;
  if (deleted && phase !== "Terminating") {
    const rule = "may only be 'Terminating' if `deletionTimestamp` is not empty";
    return [invalid("status.Phase", phase, rule)];
  }
  if (!deleted && phase !== "Active") {
    return [invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")];
  }
  return [];
}

export const namespace: Kind<Namespace> = defineKind<Namespace>("core/v1.Namespace", {
  nameRule: dnsLabel,
  defaults,
  prepareCreate(object) {
    // A name that was generated is known only now.
    label(object);
    object.status = { phase: "Active" };
    const finalizers = object.spec.finalizers ?? [];
    if (!finalizers.includes(FINALIZER)) object.spec.finalizers = [...finalizers, FINALIZER];
  },
  prepareUpdate(object, old) {
    object.spec.finalizers = [...(old.spec.finalizers ?? [])];
    if (object.spec.finalizers.length === 0) delete object.spec.finalizers;
  },
  validate: (object) => validateFinalizers(object, () => "spec.finalizers"),
  status: { validateUpdate: validatePhase },
  subresources: {
    finalize: {
      strategy: {
        prepareUpdate(object, old) {
          keep(object, old, "status");
        },
        validateUpdate: (object, old) => [
          ...validateMetadataUpdate(object.metadata, old.metadata),
          ...validateFinalizers(object, (index) => `spec.finalizers[${index}]`),
        ],
      },
    },
  },
  columns: [nameColumn, column("Status", (object) => object.status?.phase ?? ""), ageColumn],
  selectableFields: { "status.phase": (object) => object.status?.phase ?? "" },
});
