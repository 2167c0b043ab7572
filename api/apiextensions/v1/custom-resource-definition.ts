/** CustomResourceDefinition: a kind that users add. Package apiextensions validates it. */

import { column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import type { CustomResourceDefinition } from "../../gen/apiextensions/v1.ts";
import type { Kind } from "../../kind.ts";
import { fromStorage } from "./stored.ts";

const HTTPS = 443;

function defaults({ spec }: CustomResourceDefinition): void {
  const { names } = spec;
  names.singular ||= names.kind.toLowerCase();
  if (names.kind !== "") names.listKind ||= `${names.kind}List`;
  spec.conversion ??= { strategy: "None" };
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service !== undefined) service.port ??= HTTPS;
}

const SCHEMA = "apiextensions/v1.CustomResourceDefinition";

export const customResourceDefinition: Kind<CustomResourceDefinition> =
  defineKind<CustomResourceDefinition>(SCHEMA, {
    generation: "spec",
    unconditionalUpdate: false,
    finalizers: "any",
    status: { finalizers: "any" },
    defaults,
    fromStorage,
    columns: [
      nameColumn,
      column("Created At", ({ metadata }) => metadata.creationTimestamp ?? null, { type: "date" }),
    ],
  });
