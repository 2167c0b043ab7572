/** ServiceAccount: the identity that a pod acts with. */
import type { ServiceAccount } from "../../gen/core/v1.ts";
import { ageColumn, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import type { Kind } from "../../kind.ts";

export const serviceAccount: Kind<ServiceAccount> = defineKind<ServiceAccount>(
  "core/v1.ServiceAccount", { columns: [nameColumn, ageColumn] });
