// What an answer amounts to, in plain words. Nothing here touches the page.

export const LOOKS = {
  surprise: "surprised", fear: "afraid", disgust: "disgusted", happiness: "happy", sadness: "sad", anger: "angry", neutral: "neutral",
};

export const percent = (value) => `${Math.round(value * 100)}%`;
export const faces = (count) => `${count} ${count === 1 ? "face" : "faces"}`;
export const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;
export const between = ({ low, high }) => `${percent(low)} to ${percent(high)}`;

// The kinds of files that are taken; kinds of kinds, such as "TIFF (big-endian)", tell visitors nothing.
export const formats = (limits) => limits.formats.filter((name) => !name.includes("(")).join(", ");

const ranked = (shares) => Object.entries(shares).filter(([, share]) => share.value != null).sort((a, b) => b[1].value - a[1].value);
const said = (title, detail, expression = null, sure = false) => ({ title, detail, expression, sure });

// The mood of a photo: { title, detail, expression or null, sure }. smallest is the least number of people told of.
export function mood(photo, smallest) {
  const { estimate } = photo;
  if (!estimate) return said("Too few people to tell", `Nothing is told of groups of fewer than ${smallest} people whose faces are large enough.`);
  if (!estimate.faces) return said("No face was found", "Faces need to be about 8 pixels high or more, and turned to the camera. Try another photo.");
  if (!estimate.counted) return said("Too small to tell", `${faces(estimate.faces)} found, none large enough to tell an expression. Try a larger photo.`);
  const order = ranked(estimate.shares);
  if (order[0][1].low != null) return ofGroup(order, estimate);
  return photo.faces ? ofFew(photo.faces.filter((face) => !face.too_small)) : ofMeans(order, estimate);
}

// From five people on shares have intervals, and one expression leads if its interval lies above all others.
function ofGroup(order, { counted }) {
  const [[name, top], [, second]] = order;
  const about = `About ${percent(top.value)} of ${faces(counted)} look ${LOOKS[name]} (95% interval ${between(top)}).`;
  if (top.low > 0.5) return said(`Most look ${LOOKS[name]}`, about, name, true);
  if (top.low > second.high) return said(`More look ${LOOKS[name]} than anything else`, about, name, true);
  const rivals = order.filter(([, share]) => share.high >= top.low).slice(0, 3).map(([rival]) => LOOKS[rival]);
  if (top.value > 0.5) return said(`Probably most look ${LOOKS[name]}`, `${about} Too few or too unclear faces to be sure.`, name);
  return said(`Mixed: ${listed(rivals)}`, `Too close to tell which is most common. ${about}`);
}

function ofFew(told) {
  const certain = told.filter((face) => face.certain);
  if (told.length === 1) {
    const [face] = told;
    const about = `One face, ${percent(face.probability)} ${face.expression}.`;
    return face.certain ? said(`Looks ${LOOKS[face.expression]}`, about, face.expression, true)
      : said(`Hard to tell, perhaps ${LOOKS[face.expression]}`, `${about} Not certain.`, face.expression);
  }
  const counts = new Map();
  for (const { expression } of certain) counts.set(expression, (counts.get(expression) || 0) + 1);
  const [name, most] = [...counts].sort((a, b) => b[1] - a[1])[0] || [null, 0];
  const left = told.length - certain.length;
  if (!name) return said("Hard to tell", `${faces(told.length)}, none with a certain expression.`);
  if (most === told.length) return said(`All ${most} look ${LOOKS[name]}`, `${faces(most)}, each certain.`, name, true);
  const kinds = [...counts].map(([kind, count]) => `${count} ${LOOKS[kind]}`);
  const about = `${faces(told.length)}: ${kinds.join(", ")}${left ? `, ${left} not certain` : ""}.`;
  const tied = [...counts].filter(([, count]) => count === most).map(([kind]) => LOOKS[kind]);
  if (tied.length > 1) return said(`Mixed: ${listed(tied)}`, about);
  return said(`${most} of ${told.length} ${most === 1 ? "looks" : "look"} ${LOOKS[name]}`, about, name, most > told.length / 2);
}

// Few people, of whom no single one is told.
function ofMeans([[name, top]], { counted }) {
  return said(`Probably mostly ${LOOKS[name]}`, `About ${percent(top.value)} of ${faces(counted)}; too few for an interval.`, name);
}

// The mood of a live frame, from plain counts.
export function glance(group) {
  const counted = group.faces - group.too_small;
  if (!group.faces) return "No face";
  if (!counted) return "Too small to tell";
  const [[name, share]] = Object.entries(group.shares).sort((a, b) => (b[1] ?? 0) - (a[1] ?? 0));
  if (group.uncertain - group.too_small > counted / 2) return counted === 1 ? `Perhaps ${LOOKS[name]}` : "Unclear";
  return counted === 1 ? `Looks ${LOOKS[name]}` : `${Math.round((share ?? 0) * counted)} of ${counted} look ${LOOKS[name]}`;
}

export function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

// A problem of the service, or of the way to it, for people. limits are those of /v1/info, or null.
export function trouble(refusal, limits) {
  const most = limits && megabytes(limits.upload_bytes);
  const texts = {
    "too-large": `This photo is too large for the service${most ? `: it takes up to ${most}` : ""}.`,
    "too-many-pixels": `This photo has too many pixels for the service${limits ? `: it takes up to ${Math.round(limits.pixels / 1e6)} megapixels` : ""}.`,
    "not-a-picture": `This is not a picture that the service can read.${limits ? ` It takes ${formats(limits)}.` : ""}`,
    "media-type": "This is not a picture.",
    unreadable: "This picture is damaged or cannot be read. Open it in another program, save it as JPEG or PNG, and try that.",
    empty: "This file is empty.",
    full: "The service is busy.",
    "not-ready": "The service is starting.",
    "too-slow": "The service had no answer in time. Try a smaller photo, or again later.",
    "slow-upload": "The photo took too long to send. Try a smaller one, or a better connection.",
    token: "The token is not the service's. Ask whoever runs it.",
    origin: "The service does not know this page as its own. Open it by its own address.",
    host: "The service is not known by the name in the address bar; whoever runs it can add the name.",
    unreachable: "The service cannot be reached. Is it running, and are you connected?",
  };
  return texts[refusal.kind] || `The service could not answer (${refusal.status || "no status"}). ${refusal.message}`;
}
