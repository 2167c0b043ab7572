/** Lease: a holder and the time until which it holds; leaders and nodes renew theirs. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid } from "../../errors.ts";
import type { Lease } from "../../gen/coordination/v1.ts";
import type { Kind } from "../../kind.ts";
import { nonNegative } from "../../validation/metadata.ts";

function validate({ spec }: Lease): FieldError[] {
  const { leaseDurationSeconds, leaseTransitions } = spec;
  const errors: FieldError[] = [];
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    errors.push(
      invalid("spec.leaseDurationSeconds", leaseDurationSeconds, "must be greater than 0"),
    );
  }
  return [...errors, ...nonNegative("spec.leaseTransitions", leaseTransitions)];
}

function dropCoordination(spec: Lease["spec"]): void {
  delete spec.strategy;
  delete spec.preferredHolder;
}

export const lease: Kind<Lease> = defineKind<Lease>("coordination/v1.Lease", {
  createOnUpdate: true,
  unconditionalUpdate: false,
  finalizers: "any",
  // Coordinated election is behind a gate that is closed, as in upstream.
  prepareCreate: ({ spec }) => dropCoordination(spec),
  prepareUpdate: ({ spec }) => dropCoordination(spec),
  validate,
  columns: [nameColumn, column("Holder", (object) => object.spec.holderIdentity ?? ""), ageColumn],
});
