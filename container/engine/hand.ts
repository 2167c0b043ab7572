import type { ContainerRecord } from "@raft2kube/runtime/container/record.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { HealthCheck } from "@raft2kube/runtime/image/config.ts";

/** The annotation in which a container's record has what docker's words say of it. */
const ANNOTATION = "r2k.io/container";

/** A port of the host that leads to one of the container. */
export interface PublishedPort {
  hostIp: string;
  hostPort: number;
  containerPort: number;
  protocol: "tcp" | "udp" | "sctp";
}

/** A place in a container that is not its own layer. */
export interface HandMount {
  type: "bind" | "volume" | "tmpfs";
  /** The volume's name. */
  name?: string;
  source: string;
  destination: string;
  isReadOnly: boolean;
  /** A volume that `rm -v` removes. */
  isAnonymous?: boolean;
  /** Whether an empty volume gets the image's content. */
  copies?: boolean;
}

export type RestartPolicy =
  | { name: "no" | "always" | "unless-stopped" }
  | { name: "on-failure"; times?: number };

/** A container's settings that CRI has no place for. */
export interface Hand {
  name: string;
  /** The image as it was named. */
  image: string;
  /** `bridge`, `none`, `host`, `container:ID`, or a network's name. */
  network: string;
  hostname: string;
  addedHosts: string[];
  ports: PublishedPort[];
  mounts: HandMount[];
  restart: RestartPolicy;
  restarts: number;
  /** Ends in a row soon after a start: the pause before the next grows with them. */
  shortRuns?: number;
  /** When it is started again, in milliseconds since 1970. */
  restartsAt_ms?: number;
  removesItself: boolean;
  /** Whether stop or kill ended it: it is not started again. */
  isStopped?: boolean;
  /** Whether the command that makes it has more to do: one that was killed leaves nothing. */
  isUnfinished?: boolean;
  stopTimeout_s: number;
  health?: HealthCheck;
  hasInit: boolean;
  /** The two parts of its command, of flags or of the image. */
  entrypoint?: string[];
  cmd?: string[];
  /** Name of the folder of its log. */
  log: string;
}

/** A container that was made by hand. */
export type HandContainer = { readonly record: ContainerRecord; readonly hand: Hand };

export function annotationOf(hand: Hand): Record<string, string> {
  return { [ANNOTATION]: JSON.stringify(hand) };
}

/** Returns a record's settings, which this program alone has written. */
export function handOf(record: ContainerRecord): HandContainer {
  const text = record.config.annotations[ANNOTATION];
  if (text === undefined) {
    throw new RuntimeError("internal", `container ${record.id} was not made by hand`);
  }
  return { record, hand: JSON.parse(text) as Hand };
}

/** A container's record with other settings. */
export function withHand(record: ContainerRecord, hand: Hand): ContainerRecord {
  const annotations = { ...record.config.annotations, ...annotationOf(hand) };
  const metadata = { ...record.config.metadata!, name: hand.name };
  return { ...record, config: { ...record.config, metadata, annotations } };
}
