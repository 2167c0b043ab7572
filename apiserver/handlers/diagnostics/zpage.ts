import { JSON_TYPE, YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { notAcceptable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { type Answer, jsonAnswer, textAnswer } from "../../request/answer.ts";
import { headerOf, type RequestContext } from "../../request/context.ts";
import { accepts, type MediaType, parseAccept } from "../../request/media-type.ts";

/** A page that people read as text and programs as an object (KEP-4827, KEP-4828). */
export interface ZPage {
  /** `Statusz`. */
  readonly kind: string;
  /** The last word of the path, as used in texts. */
  readonly word: string;
  /** The text below the heading. */
  text(): string;
  /** The members of the object besides its type and name. */
  fields(): object;
}

const COMPONENT = "apiserver";
const GROUP = "config.k8s.io";
const VERSIONS = ["v1beta1", "v1alpha1"];
const DEPRECATED = "v1alpha1";
const TEXT_TYPE = "text/plain";
const TYPES = [JSON_TYPE, YAML_TYPE, TEXT_TYPE];

/** Upstream's first line of the text form; programs parse the JSON or YAML form. */
const NOTICE =
  "Warning: This endpoint is not meant to be machine parseable, has no formatting " +
  "compatibility guarantees and is for debugging purposes only.";

/** Answers in the form that the client asks for, text by default. Throws 406 for any other. */
export async function serveZPage(context: RequestContext, page: ZPage): Promise<Answer> {
  for (const range of parseAccept(headerOf(context.request, "accept"))) {
    if (accepts(range.type, TEXT_TYPE) && range.parameters["as"] === undefined) {
      return textAnswer(200, `\n${COMPONENT} ${page.word}\n${NOTICE}\n${page.text()}`);
    }
    const type = [JSON_TYPE, YAML_TYPE].find((each) => accepts(range.type, each));
    const version = VERSIONS.find((each) => means(range, page.kind, each));
    if (type !== undefined && version !== undefined) {
      return await structured(context, page, type, version);
    }
  }
  throw notAcceptable(TYPES);
}

function means({ parameters }: MediaType, kind: string, version: string): boolean {
  const { as, g, v } = parameters;
  return as === kind && g === GROUP && v === version;
}

async function structured(
  context: RequestContext,
  page: ZPage,
  type: string,
  version: string,
): Promise<Answer> {
  if (version === DEPRECATED) {
    context.warnings.push(
      `This version of the ${page.word} endpoint is deprecated. Please use a newer version.`,
    );
  }
  const object = {
    kind: page.kind,
    apiVersion: `${GROUP}/${version}`,
    metadata: { name: COMPONENT },
    ...page.fields(),
  };
  const contentType = `${type};g=${GROUP};v=${version};as=${page.kind}`;
  if (type === JSON_TYPE) {
    const answer = jsonAnswer(object);
    return { ...answer, contentType, body: `${JSON.stringify(object)}\n` };
  }
  const { yamlText } = await import("@raft2kube/apimachinery/yaml.ts");
  return { ...textAnswer(200, yamlText(object)), contentType };
}
