import type { PodVerdict } from "../status/pod-status.ts";

/** Why and how a pod that is not to run any more is stopped. */
interface End {
  /** Grace period of its containers, in seconds. Only ever shortened. */
  readonly grace_s: number;
  /** The node's reason, if the node ended it: the pod becomes Failed. */
  readonly verdict?: PodVerdict | undefined;
  /** The source no longer has the pod: its remains are removed too. Never taken back. */
  readonly forgotten: boolean;
}

/**
 * - `syncing`: the pod runs or is being started; nothing of it is started before it is `admitted`.
 * - `terminating`: it is being stopped.
 * - `terminated`: nothing runs, and the API may report its end; its resources are being released,
 *   until it is `reclaimed`.
 * - `gone`: nothing is left on the node.
 * - `closed`: the kubelet stops; the containers keep running.
 */
export type WorkerState =
  | { readonly kind: "syncing"; readonly admitted: boolean }
  | { readonly kind: "terminating"; readonly end: End }
  | { readonly kind: "terminated"; readonly end: End; readonly reclaimed: boolean }
  | { readonly kind: "gone" }
  | { readonly kind: "closed" };

/**
 * - `admitted`: the node has the resources of the pod.
 * - `end`: the source or the node wants the pod stopped.
 * - `stopped`: nothing of it runs, and nothing of it is started any more.
 * - `reclaimed`: it holds no resources of the node.
 * - `removed`: its remains are removed.
 * - `close`: the kubelet stops.
 */
export type WorkerEvent =
  | { readonly kind: "admitted" }
  | { readonly kind: "end"; readonly end: End }
  | { readonly kind: "stopped" }
  | { readonly kind: "reclaimed" }
  | { readonly kind: "removed" }
  | { readonly kind: "close" };

type Of<Union extends { kind: string }, Kind> = Extract<Union, { kind: Kind }>;
type Transitions = {
  readonly [S in WorkerState["kind"]]: {
    readonly [E in WorkerEvent["kind"]]: (
      state: Of<WorkerState, S>,
      event: Of<WorkerEvent, E>,
    ) => WorkerState;
  };
};

const same = <S extends WorkerState>(state: S): S => state;
const close = (): WorkerState => ({ kind: "closed" });
const ended = { admitted: same, stopped: same, reclaimed: same, removed: same, close };

const TRANSITIONS: Transitions = {
  syncing: {
    ...ended,
    admitted: () => ({ kind: "syncing", admitted: true }),
    end: (_, { end }) => ({ kind: "terminating", end }),
  },
  terminating: {
    ...ended,
    end: (state, { end }) => ({ ...state, end: both(state.end, end) }),
    stopped: ({ end }) => ({ kind: "terminated", end, reclaimed: false }),
  },
  terminated: {
    ...ended,
    end: (state, { end }) => ({ ...state, end: both(state.end, end) }),
    reclaimed: (state) => ({ ...state, reclaimed: true }),
    removed: () => ({ kind: "gone" }),
  },
  gone: { ...ended, end: same },
  closed: { ...ended, end: same },
};

/** The first verdict stays, the shorter grace period counts. */
const both = (first: End, second: End): End => ({
  verdict: first.verdict ?? second.verdict,
  grace_s: Math.min(first.grace_s, second.grace_s),
  forgotten: first.forgotten || second.forgotten,
});

/** Returns the state of a pod's worker after an event. */
export function nextState(state: WorkerState, event: WorkerEvent): WorkerState {
  type Transition = (state: WorkerState, event: WorkerEvent) => WorkerState;
  return (TRANSITIONS[state.kind][event.kind] as Transition)(state, event);
}
