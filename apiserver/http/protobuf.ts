import type { KubeObject } from "@raft2kube/api/kind.ts";
import { notAcceptable, unsupportedMediaType } from "../errors/catalog.ts";
import type { DecodeOptions } from "./decode.ts";
import { JSON_TYPE, YAML_TYPE } from "./negotiate.ts";

export async function encodeProtobuf(_object: KubeObject): Promise<Buffer> {
  throw notAcceptable([JSON_TYPE, YAML_TYPE]);
}

export async function decodeProtobufBody<T>(_body: Buffer, _options: DecodeOptions): Promise<T> {
  throw unsupportedMediaType([JSON_TYPE, YAML_TYPE]);
}

export async function decodeProtobufOptions(_body: Buffer): Promise<object> {
  throw unsupportedMediaType([JSON_TYPE, YAML_TYPE]);
}
