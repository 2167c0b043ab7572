import { Fields, malformed, parseJson } from "./json.ts";
import { DIGEST } from "./reference.ts";

/** An image's configuration, the fields that we use (OCI image spec, config.md). */
export interface ImageConfig {
  architecture: string;
  os: string;
  created?: string;
  config?: ImageDefaults;
  rootfs: { type: "layers"; diff_ids: string[] };
  history?: { created_by?: string; empty_layer?: boolean }[];
}

/** The image's defaults for a container. */
export interface ImageDefaults {
  User?: string;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  WorkingDir?: string;
  StopSignal?: string;
  Labels?: Record<string, string>;
  /** Fields kept for tools, without effect here. */
  ExposedPorts?: Record<string, unknown>;
}

/** Users and groups above are no ids to an OCI runtime, nor to the kubelet. */
const ID_MAX = 2 ** 31 - 1;

/** `user[:group]`, by name or number. A number that is no id would be taken for one elsewhere. */
function decodeUser(fields: Fields): string | undefined {
  const user = fields.text("User");
  for (const part of user?.split(":") ?? []) {
    if (/^[0-9]+$/.test(part) && Number(part) > ID_MAX) {
      throw malformed(`the config's User names the id ${part.slice(0, 40)}, over ${ID_MAX}`);
    }
  }
  return user;
}

function decodeDefaults(fields: Fields): ImageDefaults {
  const User = decodeUser(fields);
  const Env = fields.texts("Env");
  const Entrypoint = fields.texts("Entrypoint");
  const Cmd = fields.texts("Cmd");
  const WorkingDir = fields.text("WorkingDir");
  if (WorkingDir && !WorkingDir.startsWith("/")) {
    throw malformed(`the config's WorkingDir ${JSON.stringify(WorkingDir)} is not absolute`);
  }
  const StopSignal = fields.text("StopSignal");
  const Labels = fields.textsByName("Labels");
  return {
    ...(User !== undefined && { User }),
    ...(Env && { Env }),
    ...(Entrypoint && { Entrypoint }),
    ...(Cmd && { Cmd }),
    ...(WorkingDir !== undefined && { WorkingDir }),
    ...(StopSignal !== undefined && { StopSignal }),
    ...(Labels && { Labels }),
  };
}

/** An image's configuration, with one diff id per layer of its manifest. */
export function parseImageConfig(bytes: Buffer, layers: number): ImageConfig {
  const fields = new Fields(parseJson(bytes, "the config"), "the config");
  const diffIds = fields.fields("rootfs")?.texts("diff_ids") ?? [];
  if (!diffIds.every((id) => DIGEST.test(id))) throw malformed("the config has no good diff_ids");
  if (diffIds.length !== layers) {
    throw malformed(`${layers} layers and ${diffIds.length} diff_ids`);
  }
  const defaults = fields.fields("config");
  const created = fields.text("created");
  return {
    architecture: fields.text("architecture") ?? "",
    os: fields.text("os") ?? "",
    ...(created !== undefined && { created }),
    ...(defaults && { config: decodeDefaults(defaults) }),
    rootfs: { type: "layers", diff_ids: diffIds },
  };
}
