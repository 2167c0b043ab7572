import { assertSafeInteger } from "@raft2kube/std/assert.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { BackendSnapshot } from "../../../backend/backend.ts";
import type { Membership } from "../../../core/types.ts";
import type { Identity } from "../../state/state.ts";

/** The backend key of the state's own record, which every flush replaces. */
export const META_KEY = Buffer.from("meta/state", "latin1");
export const STATE_FORMAT_VERSION = 1;

/** The state's own record, written together with the records it describes (S4). */
export interface Meta extends Identity {
  appliedIndex: number;
  appliedTerm: number;
  revision: number;
  compactRevision: number;
  compactedRevision: number;
  membership: Membership;
}

interface StoredMeta {
  format: number;
  clusterId: string;
  memberId: string;
  appliedIndex: number;
  appliedTerm: number;
  revision: number;
  compactRevision: number;
  compactedRevision: number;
  membership: {
    voters: string[];
    outgoing: string[];
    learners: string[];
    learnersNext: string[];
    autoLeave: boolean;
  };
}

const hex = (id: bigint) => id.toString(16);
const id = (text: string) => BigInt(`0x${text}`);

export function encodeMeta(meta: Meta): Buffer {
  const { voters, outgoing, learners, learnersNext, autoLeave } = meta.membership;
  const stored: StoredMeta = {
    ...meta,
    format: STATE_FORMAT_VERSION,
    clusterId: hex(meta.clusterId),
    memberId: hex(meta.memberId),
    membership: {
      voters: voters.map(hex),
      outgoing: outgoing.map(hex),
      learners: learners.map(hex),
      learnersNext: learnersNext.map(hex),
      autoLeave,
    },
  };
  return Buffer.from(JSON.stringify(stored));
}

/**
 * Returns what such a record says. Throws a CodedError for one of a later release (STATE_FORMAT),
 * and for one that cannot be read (STATE_DAMAGED).
 */
export function decodeMeta(bytes: Buffer): Meta {
  try {
    return interpret(JSON.parse(bytes.toString()) as StoredMeta);
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    throw new CodedError("STATE_DAMAGED", "the state's own record cannot be read", {
      cause,
      remedy: "remove this member, empty its data directory and add it again",
    });
  }
}

function interpret(stored: StoredMeta): Meta {
  if (stored.format > STATE_FORMAT_VERSION) {
    const message = `state format ${stored.format}; this release reads ${STATE_FORMAT_VERSION}`;
    throw new CodedError("STATE_FORMAT", message, {
      remedy: "start the release that wrote this data directory",
    });
  }
  const { voters, outgoing, learners, learnersNext, autoLeave } = stored.membership;
  return {
    clusterId: id(stored.clusterId),
    memberId: id(stored.memberId),
    appliedIndex: assertSafeInteger(stored.appliedIndex, "applied index"),
    appliedTerm: assertSafeInteger(stored.appliedTerm, "applied term"),
    revision: assertSafeInteger(stored.revision, "revision"),
    compactRevision: stored.compactRevision,
    compactedRevision: stored.compactedRevision,
    membership: {
      voters: voters.map(id),
      outgoing: outgoing.map(id),
      learners: learners.map(id),
      learnersNext: learnersNext.map(id),
      autoLeave,
    },
  };
}

/** Reads the state's own record in a view of a backend that has a state. */
export async function readMeta(view: BackendSnapshot): Promise<Meta> {
  const to = Buffer.concat([META_KEY, Buffer.from([0])]);
  for await (const [pair] of view.scan({ from: META_KEY, to })) {
    if (pair) return decodeMeta(pair[1]);
  }
  throw new RangeError("the backend has no record of the state");
}
