/** ServiceAccount: the identity that a pod acts with. */

import { ageColumn, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import type { ServiceAccount } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";

/** Drops all but the names of the secrets of an account. */
function keepSecretNames(account: ServiceAccount): void {
  account.secrets = account.secrets?.map(({ name }) => (name === undefined ? {} : { name }));
  if (account.secrets === undefined) delete account.secrets;
}

export const serviceAccount: Kind<ServiceAccount> = defineKind<ServiceAccount>(
  "core/v1.ServiceAccount",
  {
    prepareCreate: keepSecretNames,
    prepareUpdate: keepSecretNames,
    columns: [nameColumn, ageColumn],
  },
);
