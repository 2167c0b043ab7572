import type { Core } from "../core.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";

export class OpenApi {
  constructor(_core: Pick<Core, "registry">) {}

  async serve(_context: RequestContext): Promise<Answer | undefined> {
    return undefined;
  }
}
