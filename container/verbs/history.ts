import { getImage, openImages } from "../engine/images.ts";
import { LIST, type Line, printList } from "../format/list.ts";
import { agoWords, cut, shortId, sizeWords } from "../format/words.ts";
import { verb } from "../verb.ts";

const WORDS = 45;
const COLUMNS = "ID=IMAGE, CreatedSince=CREATED, CreatedBy=CREATED BY, Size, Comment";

export const history = verb(
  "history <image>",
  "The steps by which an image was made.",
  LIST,
  async (host, [name], flags) => {
    const { images } = await openImages(host);
    const image = getImage({ images }, name);
    const sizes = image.manifest.layers.map(({ size }) => size);
    const steps = (image.config.history ?? []).map((step): Line => {
      const { created = "", created_by = "", comment = "", empty_layer } = step;
      return {
        ID: "<missing>",
        CreatedAt: created,
        CreatedSince: agoWords(host.clock.now(), Date.parse(created)),
        CreatedBy: flags.trunc ? cut(created_by, WORDS) : created_by,
        Size: sizeWords(empty_layer ? 0 : (sizes.shift() ?? 0)),
        Comment: comment,
      };
    });
    const [last, ...others] = steps.reverse();
    const ID = flags.trunc ? shortId(image.id) : image.id;
    printList(last ? [{ ...last, ID }, ...others] : [], COLUMNS, flags);
  },
);
