import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { Server } from "./server.ts";

/** Sees everything that happens in a cluster; it must change nothing. */
export interface ClusterObserver {
  /** A member was added. */
  added(server: Server): void;
  sent(message: Message): void;
  /** The message reached its member, or was lost on the way. */
  arrived(message: Message, lost: boolean): void;
  noted(member: MemberId, text: string): void;
  /** A member has done a step, or its power or connection changed. */
  stepped(server: Server): void;
}

/** Creates the observer of one cluster, whose virtual time it can read. */
export type CreateObserver = (cluster: { readonly now_ms: number }) => ClusterObserver;

let observe: CreateObserver | undefined;

/** Gives every cluster created from now on an observer. */
export function observeClusters(create: CreateObserver): void {
  observe = create;
}

/** The observer of a new cluster; undefined when none was asked for. */
export function observerOf(cluster: { readonly now_ms: number }): ClusterObserver | undefined {
  return observe?.(cluster);
}
