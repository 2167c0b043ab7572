/** ServiceAccount: the identity that a pod acts with. */

import { ageColumn, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import type { ServiceAccount } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";

export const serviceAccount: Kind<ServiceAccount> = defineKind<ServiceAccount>(
  "core/v1.ServiceAccount",
  { columns: [nameColumn, ageColumn] },
);
