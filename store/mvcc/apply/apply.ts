import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { assert, unreachable } from "@raft2kube/std/assert.ts";
import { deleteRange } from "../kv/delete-range.ts";
import { checkKept, checkLease, put } from "../kv/put.ts";
import { txn } from "../kv/txn.ts";
import { WriteTransaction } from "../kv/write-transaction.ts";
import { header, type State } from "../state/state.ts";
import { alarm, refuseAlarmed } from "./alarm-command.ts";
import { applyAuth } from "./apply-auth.ts";
import { checkCommandAllowed } from "./check-command.ts";
import { type Command, decodeCommand } from "./command.ts";
import { compact } from "./compact.ts";
import { downgradeSet } from "./downgrade.ts";
import { leaseCheckpoint, leaseGrant, leaseRevoke } from "./lease-commands.ts";
import {
  memberAdd,
  memberPromote,
  memberPublish,
  memberRemove,
  memberUpdate,
} from "./member-commands.ts";
import type { Applied, Outcome, Responses } from "./responses.ts";

/** An entry's position in the log. */
export type LogPosition = { index: number; term: number };

/**
 * Applies one committed entry: the only way the state changes. Synchronous and a function of state
 * and entry alone. `known` is the command when this member proposed it, which saves decoding. An
 * entry is applied once: indexes follow each other (S4). Effects of the change elsewhere, on
 * watches for instance, are the caller's: the outcome lists them.
 */
export function apply(
  state: State,
  position: LogPosition,
  data: Buffer,
  known?: Command,
): Outcome | undefined {
  assert(
    position.index === state.appliedIndex + 1,
    () => `entry ${position.index} after ${state.appliedIndex}`,
  );
  state.appliedIndex = position.index;
  state.appliedTerm = position.term;
  if (data.length === 0) return undefined;
  try {
    const command = known ?? decodeCommand(data);
    // By the users and roles of this place in the log: the same on every member.
    checkCommandAllowed(state, command);
    return run(state, command);
  } catch (thrown) {
    if (thrown instanceof EtcdError) return { error: thrown };
    throw thrown;
  }
}

function run(state: State, command: Command): Applied {
  refuseAlarmed(state, command);
  switch (command.kind) {
    case "put":
    case "delete-range":
    case "txn":
    case "lease-revoke": {
      const transaction = new WriteTransaction(state);
      const response = write(state, transaction, command);
      return { response, changes: transaction.committed };
    }
    case "compact":
      return { response: compact(state, command.request), compacted: true };
    case "lease-grant":
      return { response: leaseGrant(state, command.request) };
    case "lease-checkpoint":
      return { response: leaseCheckpoint(state, command.request) };
    case "member-add":
      return { response: memberAdd(state, command.request) };
    case "member-promote":
      return { response: memberPromote(state, command.request) };
    case "member-remove":
      return { response: memberRemove(state, command.request) };
    case "member-update":
      return { response: memberUpdate(state, command.request) };
    case "member-publish":
      return { response: memberPublish(state, command.request) };
    case "alarm":
      return { response: alarm(state, command.request), alarmed: true };
    case "downgrade-set":
      return { response: downgradeSet(state, command.request) };
    default:
      return { response: applyAuth(state, command) };
  }
}

type WritingKind = "put" | "delete-range" | "txn" | "lease-revoke";
type WritingCommand = Extract<Command, { kind: WritingKind }>;

/** Changes keys, in one revision at most, and commits the transaction. */
function write(
  state: State,
  transaction: WriteTransaction,
  command: WritingCommand,
): Responses[WritingKind] {
  switch (command.kind) {
    case "put": {
      checkLease(state, command.request);
      checkKept(state, transaction, command.request);
      const prevKv = put(state, transaction, command.request);
      transaction.commit();
      return { header: header(state), prevKv };
    }
    case "delete-range": {
      const result = deleteRange(state, transaction, command.request);
      transaction.commit();
      return { header: header(state), ...result };
    }
    case "txn":
      return txn(state, transaction, command.request);
    case "lease-revoke":
      return leaseRevoke(state, transaction, command.request);
    default:
      return unreachable(command, "command");
  }
}
