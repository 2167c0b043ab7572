/** Lease: who holds what until when; leaders and nodes renew theirs. */
import type { Lease } from "../../gen/coordination/v1.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { forbidden, invalid, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { nonNegative } from "../../validation/metadata.ts";

function validate({ spec }: Lease): FieldError[] {
  const { leaseDurationSeconds, leaseTransitions, preferredHolder = "", strategy = "" } = spec;
  const errors: FieldError[] = [];
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    errors.push(invalid("spec.leaseDurationSeconds", leaseDurationSeconds,
      "must be greater than 0"));
  }
  if (preferredHolder !== "" && strategy === "") {
    errors.push(forbidden("spec.preferredHolder",
      "may only be specified if `strategy` is defined"));
  }
  return [...errors, ...nonNegative("spec.leaseTransitions", leaseTransitions)];
}

export const lease: Kind<Lease> = defineKind<Lease>("coordination/v1.Lease", {
  createOnUpdate: true,
  unconditionalUpdate: false,
  validate,
  columns: [
    nameColumn, column("Holder", (object) => object.spec.holderIdentity ?? ""), ageColumn,
  ],
});
