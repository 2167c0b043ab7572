import { CodedError } from "@raft2kube/std/errors.ts";

/**
 * The overlay cannot be set up on this node: `bad-net-conf`, `subnet-outside`, `no-subnet`,
 * `no-underlay`, `mtu-too-large`, `mtu-too-small`. The Node's condition NetworkUnavailable has the
 * message.
 */
export class OverlayError extends CodedError {}
