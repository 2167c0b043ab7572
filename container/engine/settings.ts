import type { ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import type { HandContainer } from "./hand.ts";
import type { Engine } from "./open-engine.ts";

/** The settings of a container as those of an image: the image's, changed by its flags. */
export function settingsOf({ runtime }: Engine, { record, hand }: HandContainer): ImageDefaults {
  const image = runtime.images.find(record.image.id)?.config.config ?? {};
  // The command is the flags' where they name one.
  const { OnBuild: _, ...rest } = hand.cmd ? withoutCommand(image) : image;
  const { config, extras } = record;
  const given = config.envs.map(({ key, value }) => [key, `${key}=${value}`] as const);
  const own = (image.Env ?? []).map((pair) => [pair.split("=", 1)[0]!, pair] as const);
  const ports = hand.ports.map((port) => [`${port.containerPort}/${port.protocol}`, {}] as const);
  const { ExposedPorts } = image;
  const User = extras?.user ?? image.User;
  const WorkingDir = config.workingDir || image.WorkingDir;
  return {
    ...rest,
    Env: [...new Map([...own, ...given]).values()],
    ...(hand.cmd?.length && { Cmd: hand.cmd }),
    ...(hand.entrypoint?.length && { Entrypoint: hand.entrypoint }),
    ...(User && { User }),
    ...(WorkingDir && { WorkingDir }),
    ...((ExposedPorts || ports.length > 0) && {
      ExposedPorts: { ...ExposedPorts, ...Object.fromEntries(ports) },
    }),
    ...(Object.keys(config.labels).length > 0 && { Labels: config.labels }),
    ...(hand.health && { Healthcheck: hand.health }),
    ...(config.stopSignal && { StopSignal: record.stopSignal }),
  };
}

const withoutCommand = ({ Cmd: _, Entrypoint: __, ...rest }: ImageDefaults): ImageDefaults => rest;
