import { type H2ErrorName, Http2Error } from "./frame.ts";
import { FRAME_BYTES_MAX } from "./limits.ts";

/** RFC 9113, section 6.5.2. */
const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** One setting: id u16, value u32. */
const SETTING_BYTES = 6;

export const WINDOW_BYTES_MAX = 0x7fffffff;
/** Every window before a setting or an update changes it. */
export const DEFAULT_WINDOW_BYTES = 65_535;
export const DEFAULT_HEADER_TABLE_BYTES = 4_096;
const FRAME_BYTES_LARGEST = 0xffffff;

/** The peer's settings that a sender needs. */
export interface PeerSettings {
  headerTableBytes: number;
  initialWindowBytes: number;
  /** Streams that we may have open at the same time. */
  streams_max: number;
}

export const defaultPeerSettings = (): PeerSettings => ({
  headerTableBytes: DEFAULT_HEADER_TABLE_BYTES,
  initialWindowBytes: DEFAULT_WINDOW_BYTES,
  streams_max: Number.POSITIVE_INFINITY,
});

/** Takes the settings of one frame into `settings`. Unknown ones are passed over, as they must. */
export function readSettings(payload: Buffer, settings: PeerSettings): void {
  if (payload.length % SETTING_BYTES !== 0) {
    throw new Http2Error("FRAME_SIZE_ERROR", `settings of ${payload.length} bytes`);
  }
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const value = payload.readUInt32BE(at + 2);
    const refuse = (reason: H2ErrorName, name: string) => {
      throw new Http2Error(reason, `the setting ${name} cannot be ${value}`);
    };
    switch (payload.readUInt16BE(at)) {
      case SETTING.HEADER_TABLE_SIZE:
        settings.headerTableBytes = value;
        break;
      case SETTING.ENABLE_PUSH:
        if (value > 1) refuse("PROTOCOL_ERROR", "ENABLE_PUSH");
        break;
      case SETTING.MAX_CONCURRENT_STREAMS:
        settings.streams_max = value;
        break;
      case SETTING.INITIAL_WINDOW_SIZE:
        if (value > WINDOW_BYTES_MAX) refuse("FLOW_CONTROL_ERROR", "INITIAL_WINDOW_SIZE");
        settings.initialWindowBytes = value;
        break;
      case SETTING.MAX_FRAME_SIZE:
        if (value < FRAME_BYTES_MAX || value > FRAME_BYTES_LARGEST) {
          refuse("PROTOCOL_ERROR", "MAX_FRAME_SIZE");
        }
    }
  }
}

/** The payload of the settings that we send. */
export function encodeSettings(ours: {
  /** A client takes no streams from its server: it says that it wants no pushes. */
  streams_max: number | undefined;
  windowBytes: number;
  headerListBytes_max: number;
}): Buffer {
  const { streams_max } = ours;
  const pairs: [number, number][] = [
    streams_max === undefined
      ? [SETTING.ENABLE_PUSH, 0]
      : [SETTING.MAX_CONCURRENT_STREAMS, streams_max],
    [SETTING.INITIAL_WINDOW_SIZE, ours.windowBytes],
    [SETTING.MAX_HEADER_LIST_SIZE, ours.headerListBytes_max],
  ];
  const payload = Buffer.alloc(pairs.length * SETTING_BYTES);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * SETTING_BYTES);
    payload.writeUInt32BE(value, i * SETTING_BYTES + 2);
  });
  return payload;
}
