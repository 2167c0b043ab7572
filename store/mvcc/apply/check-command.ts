import {
  type AuthView,
  checkAdmin,
  checkDeleteAllowed,
  checkLeaseWrites,
  checkPutAllowed,
  checkTxnAllowed,
} from "../../auth/authorize.ts";
import { isAuthCommand } from "./apply-auth.ts";
import type { Command } from "./command.ts";

/**
 * Checks the caller's permissions when a command is applied. Commands about members and leases that
 * touch no key are checked before they are proposed, as is compaction.
 */
export function checkCommandAllowed(view: AuthView, command: Command): void {
  if (!view.auth.enabled) return;
  const { kind, caller } = command;
  if (kind === "put") checkPutAllowed(view, caller, command.request);
  else if (kind === "delete-range") checkDeleteAllowed(view, caller, command.request);
  else if (kind === "txn") checkTxnAllowed(view, caller, command.request);
  else if (kind === "lease-revoke") checkLeaseWrites(view, caller, command.request.ID);
  else if (isAuthCommand(command) && kind !== "sign-in") checkAdmin(view.auth, caller);
}
