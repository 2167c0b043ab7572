import type { CapacityRange } from "@raft2kube/proto/gen/csi.ts";
import { invalidArgument, outOfRange } from "./errors.ts";
import { CAPACITY_DEFAULT_BYTES } from "./limits.ts";

/** A range after its checks; `limit_bytes` is Infinity when the caller set none. */
export type Capacity = { required_bytes: number; limit_bytes: number };

/**
 * Reads a capacity range of volumes of at most `bytes_max`. Throws INVALID_ARGUMENT, or
 * OUT_OF_RANGE when no size satisfies it.
 */
export function capacityOf(range: CapacityRange | undefined, bytes_max: number): Capacity {
  const required_bytes = range?.requiredBytes ?? 0;
  const limit = range?.limitBytes ?? 0;
  if (required_bytes < 0 || limit < 0) throw invalidArgument("capacity_range is negative");
  const limit_bytes = limit === 0 ? Infinity : limit;
  if (required_bytes > limit_bytes) {
    throw outOfRange(`required_bytes ${required_bytes} exceeds limit_bytes ${limit_bytes}`);
  }
  if (required_bytes > bytes_max) {
    throw outOfRange(`required_bytes ${required_bytes} exceeds ${bytes_max}`);
  }
  return { required_bytes, limit_bytes };
}

/** The size of a new volume that must hold at least `content_bytes`. Throws OUT_OF_RANGE. */
export function newSize(capacity: Capacity, content_bytes: number): number {
  const wanted = capacity.required_bytes > 0 ? capacity.required_bytes : CAPACITY_DEFAULT_BYTES;
  const size = Math.min(Math.max(wanted, content_bytes), capacity.limit_bytes);
  if (size < content_bytes) {
    throw outOfRange(`limit_bytes ${capacity.limit_bytes} is below its source, ${content_bytes}`);
  }
  if (capacity.required_bytes > 0 && capacity.required_bytes < content_bytes) {
    throw outOfRange(`required_bytes ${wanted} is below the size of its source, ${content_bytes}`);
  }
  return size;
}

/** Whether a volume of `size_bytes` is what the range asks for. */
export function satisfies(size_bytes: number, capacity: Capacity): boolean {
  return size_bytes >= capacity.required_bytes && size_bytes <= capacity.limit_bytes;
}
