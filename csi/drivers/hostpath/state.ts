import type { StateSchema } from "../../lib/state-file.ts";

/** The source of a volume's first content. */
export type ContentSource = { kind: "snapshot"; id: string } | { kind: "volume"; id: string };

export interface HostPathVolume {
  id: string;
  /** Name chosen by the caller; creating it again under this name returns this volume. */
  name: string;
  capacity_bytes: number;
  source?: ContentSource;
  /** Whether it is a block device, not a file system. */
  block: boolean;
  /** Parameters that ControllerModifyVolume changes. */
  mutableParameters?: Readonly<Record<string, string>>;
  /** Whether NodePublishVolume made it for one pod; NodeUnpublishVolume then deletes it. */
  ephemeral: boolean;
}

export interface HostPathSnapshot {
  id: string;
  name: string;
  sourceVolumeId: string;
  /**
   * The capacity of the source when it was taken: a volume restored from it is at least as large.
   */
  size_bytes: number;
  /** Whether its source is a block device. */
  block: boolean;
  created_ms: number;
  /** The group snapshot that it belongs to, with which alone it is deleted. */
  group?: { id: string; name: string };
}

/** Everything the driver must not forget. Directories not named here are leftovers. */
export interface HostPathState {
  readonly volumes: Readonly<Record<string, HostPathVolume>>;
  readonly snapshots: Readonly<Record<string, HostPathSnapshot>>;
}

/**
 * The volume with this id. Ids come from callers, so inherited names (`__proto__`) must not match.
 */
export function volumeOf(state: HostPathState, id: string): HostPathVolume | undefined {
  return Object.hasOwn(state.volumes, id) ? state.volumes[id] : undefined;
}

/** The snapshot with this id. */
export function snapshotOf(state: HostPathState, id: string): HostPathSnapshot | undefined {
  return Object.hasOwn(state.snapshots, id) ? state.snapshots[id] : undefined;
}

/** The state with this volume in it, new or changed. */
export function withVolume(state: HostPathState, volume: HostPathVolume): HostPathState {
  return { ...state, volumes: { ...state.volumes, [volume.id]: volume } };
}

/** The state without this volume. */
export function withoutVolume(state: HostPathState, id: string): HostPathState {
  const { [id]: _removed, ...volumes } = state.volumes;
  return { ...state, volumes };
}

/** The state with this snapshot in it. */
export function withSnapshot(state: HostPathState, snapshot: HostPathSnapshot): HostPathState {
  return { ...state, snapshots: { ...state.snapshots, [snapshot.id]: snapshot } };
}

/** The state without this snapshot. */
export function withoutSnapshot(state: HostPathState, id: string): HostPathState {
  const { [id]: _removed, ...snapshots } = state.snapshots;
  return { ...state, snapshots };
}

export const hostPathSchema: StateSchema<HostPathState> = {
  version: 1,
  empty: () => ({ volumes: {}, snapshots: {} }),
  parse(data) {
    const { volumes, snapshots } = recordOf(data, "state");
    return {
      volumes: mapOf(volumes, "volumes", parseVolume),
      snapshots: mapOf(snapshots, "snapshots", parseSnapshot),
    };
  },
};

/** Writing the state without a field that a later release added would lose it. */
function requireKnown(value: object, where: string, known: string): void {
  const unknown = Object.keys(value).filter((field) => !known.split(" ").includes(field));
  if (unknown.length === 0) return;
  throw new TypeError(`${where} has ${unknown.join(", ")}, which this program does not know`);
}

function parseVolume(value: Record<string, unknown>, where: string): HostPathVolume {
  requireKnown(value, where, "id name capacity_bytes source block mutableParameters ephemeral");
  const volume: HostPathVolume = {
    id: stringOf(value.id, `${where}.id`),
    name: stringOf(value.name, `${where}.name`),
    capacity_bytes: sizeOf(value.capacity_bytes, `${where}.capacity_bytes`),
    block: value.block === true,
    ephemeral: value.ephemeral === true,
  };
  if (value.mutableParameters !== undefined) {
    const parameters = recordOf(value.mutableParameters, `${where}.mutableParameters`);
    volume.mutableParameters = Object.fromEntries(
      Object.entries(parameters).map(([key, text]) => [key, stringOf(text, `${where}.${key}`)]),
    );
  }
  if (value.source !== undefined) volume.source = parseSource(value.source, `${where}.source`);
  return volume;
}

function parseSource(value: unknown, where: string): ContentSource {
  const { kind, id } = recordOf(value, where);
  if (kind !== "snapshot" && kind !== "volume") throw new TypeError(`${where}.kind is unknown`);
  return { kind, id: stringOf(id, `${where}.id`) };
}

function parseSnapshot(value: Record<string, unknown>, where: string): HostPathSnapshot {
  requireKnown(value, where, "id name sourceVolumeId size_bytes block created_ms group");
  const group = value.group === undefined ? undefined : recordOf(value.group, `${where}.group`);
  return {
    id: stringOf(value.id, `${where}.id`),
    name: stringOf(value.name, `${where}.name`),
    block: value.block === true,
    ...(group && {
      group: {
        id: stringOf(group.id, `${where}.group.id`),
        name: stringOf(group.name, `${where}.group.name`),
      },
    }),
    sourceVolumeId: stringOf(value.sourceVolumeId, `${where}.sourceVolumeId`),
    size_bytes: sizeOf(value.size_bytes, `${where}.size_bytes`),
    created_ms: sizeOf(value.created_ms, `${where}.created_ms`),
  };
}

function mapOf<T extends { id: string }>(
  value: unknown,
  where: string,
  parse: (value: Record<string, unknown>, where: string) => T,
): Record<string, T> {
  const items: Record<string, T> = {};
  for (const [id, entry] of Object.entries(recordOf(value, where))) {
    const item = parse(recordOf(entry, `${where}.${id}`), `${where}.${id}`);
    if (item.id !== id) throw new TypeError(`${where}.${id} holds id ${item.id}`);
    items[id] = item;
  }
  return items;
}

function recordOf(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${where} is not an object`);
  }
  return value as Record<string, unknown>;
}

function stringOf(value: unknown, where: string): string {
  if (typeof value !== "string" || value === "") throw new TypeError(`${where} is not a string`);
  return value;
}

function sizeOf(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new TypeError(`${where} is not a whole number`);
  }
  return value;
}
