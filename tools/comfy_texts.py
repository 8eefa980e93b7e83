"""Write the ComfyUI help pages and the French texts of the nodes, from their own descriptions.

    python tools/comfy_texts.py

Pages hold a node's description, a few paragraphs from NOTES and tables of its inputs and outputs.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACK = ROOT / "host_integrations" / "imf_hosts" / "comfyui"
sys.path += [str(ROOT), str(ROOT / "kernels"), str(ROOT / "host_integrations")]

NOTES = {
    "IMF_LoadModel": "Trained weights of this pack are two files, `NAME.safetensors` and "
    "`NAME.json`, to be put into `models/frame_interpolation`. RIFE and FILM files there are "
    "handed to ComfyUI's own loader (0.20 or newer). Nothing is downloaded.\n\n"
    "`builtin/flow` needs OpenCV. If your ComfyUI lacks it, the node says which line installs it.",
    "IMF_SlowMotion": "| you have | factor | between | keep duration | loop |\n| --- | --- | --- | "
    "--- | --- |\n| 81 images | 2 | 161 | 162 | 162 |\n| 81 images | 2.5 | 201 | 203 | 203 |\n"
    "| 1 image | any | 1 | 1 | 1 |\n\nUse *keep duration* when there is sound. The "
    "result's rate is "
    "on the `fps` output: wire it into Create Video.\n\nIMF models also look at the images before "
    "and after each pair, where they belong to the same shot, so that motion follows a curve. RIFE "
    "and FILM see the pair alone, and so does any model in ComfyUI's own node.\n\nGrey and RGBA "
    "images keep their channels; alpha moves along.",
    "IMF_VideoSlowMotion": "The output is a promise: frames are made when Save Video (or any node "
    "that reads the video) asks for them, one after another. The progress bar and the preview "
    "appear on that node. Interrupting stops at the next frame and leaves no half-written file.",
    "IMF_SpeedRamp": "Keyframes: `0s:1, 50%:0.2, 100%:1` is full speed, a fifth in the "
    "middle, full "
    "speed. With *curve is position*, `0s:0s, 1s:2s, 3s:0s` plays two seconds in one, then "
    "backwards "
    "in two.\n\nA drawn speed curve is read over the source clip; heights below 0.05 count "
    "as 0.05.",
    "IMF_VideoSpeedRamp": "See Speed Ramp (IMF) for keyframes and curves. Sound is "
    "stretched at the "
    "same pitch; it is silent where time stands still or runs backwards.",
    "IMF_SceneCuts": "Needs PySceneDetect; if your ComfyUI lacks it, the node says which line "
    "installs it. Edit the list as you like: `24, 61` means that frames 24 and 61 begin new shots.",
    "IMF_FlowPreview": "Colours follow the Middlebury wheel. The flow output is in pixels, right "
    "and down, `[N-1, H, W, 2]`. It is the flow of `builtin/flow`, which `imf-vfi-lite` starts "
    "from; a model with weights of its own may see motion a little differently.",
    "IMF_Retarget": "Pictures of any size; the result has the picture's size. If the motion looks "
    "shifted, choose another anchor frame: the one in which the driving person stands as in your "
    "picture. `builtin/imf` learns the ways of the driving clip before it reads it.",
    "IMF_EncodeTokens": "Tokens belong to the model that made them and are refused by others.",
    "IMF_InterpolateTokens": "Wire the `time_map` of Speed Ramp in to make motion follow a ramp.",
    "IMF_EditTokens": "Offset adds the motion of another clip; a shorter or longer one is "
    "stretched.",
    "IMF_DecodeTokens": "The picture moves as the driving clip moved away from its anchor frame.",
    "IMF_SaveTokens": "Half precision; a minute of motion is a few megabytes at most.",
    "IMF_LoadTokens": "Names are looked up in the output folder first, then in the input folder.",
}

FRENCH_NODES = {
    "IMF_LoadModel": (
        "Charger un modèle IMF",
        "Charge un modèle qui crée des images entre les "
        "images. builtin/flow n'a besoin d'aucun fichier. Les fichiers, RIFE et FILM compris, sont "
        "cherchés dans models/frame_interpolation.",
    ),
    "IMF_SlowMotion": (
        "Ralenti (IMF)",
        "Crée des images entre les images : un facteur comme 2,5, "
        "une cadence comme 24 vers 60, ou un nombre exact. Vos images reviennent au bit "
        "près, et rien "
        "n'est créé à travers un changement de plan.",
    ),
    "IMF_VideoSlowMotion": (
        "Ralenti vidéo (IMF)",
        "Ralenti et conversion de cadence pour des "
        "vidéos entières : les images sont créées pendant l'enregistrement, sans mémoire "
        "en plus. Le "
        "son suit.",
    ),
    "IMF_SpeedRamp": (
        "Rampe de vitesse (IMF)",
        "Plie la vitesse d'un clip selon un préréglage, des images clés ou une courbe dessinée.",
    ),
    "IMF_VideoSpeedRamp": (
        "Rampe de vitesse vidéo (IMF)",
        "Plie la vitesse d'une vidéo entière pendant l'enregistrement ; le son suit.",
    ),
    "IMF_SceneCuts": (
        "Changements de plan (IMF)",
        "Trouve les images qui commencent un nouveau plan.",
    ),
    "IMF_FlowPreview": (
        "Aperçu du mouvement (IMF)",
        "Montre comment tout bouge d'une image à "
        "l'autre : par couleurs, par flèches, ou ce qui est caché.",
    ),
    "IMF_Retarget": (
        "Reporter le mouvement (IMF)",
        "Reporte le mouvement d'un clip sur une image, sans détection de visage.",
    ),
    "IMF_EncodeTokens": (
        "Encoder en jetons (IMF)",
        "Réduit le mouvement d'un clip à quelques nombres par image.",
    ),
    "IMF_InterpolateTokens": (
        "Interpoler les jetons (IMF)",
        "Ralentit un mouvement ou suit une rampe, et mélange deux mouvements.",
    ),
    "IMF_EditTokens": (
        "Modifier les jetons (IMF)",
        "Plus ou moins de mouvement, plus calme, en boucle, ou avec celui d'un autre clip.",
    ),
    "IMF_DecodeTokens": ("Décoder les jetons (IMF)", "Anime une image avec des jetons."),
    "IMF_SaveTokens": (
        "Enregistrer les jetons (IMF)",
        "Enregistre les jetons en safetensors dans le dossier de sortie.",
    ),
    "IMF_LoadTokens": ("Charger les jetons (IMF)", "Lit des jetons enregistrés."),
}

FRENCH_INPUTS = {
    "model": ("modèle", "De Charger un modèle IMF, ou du chargeur de RIFE et FILM de ComfyUI."),
    "model_name": ("nom du modèle", "builtin/... est fourni ; les autres sont des fichiers."),
    "precision": ("précision", "Précision interne des modèles entraînés."),
    "images": ("images", "Les images, dans l'ordre."),
    "video": ("vidéo", "Lue image par image pendant l'enregistrement."),
    "retime": ("cadence", "Comment le nombre de nouvelles images est donné."),
    "source_fps": ("ips source", "Images par seconde en entrée."),
    "timing": ("durée", "Plus lent à la même cadence, ou plus fluide à la même durée."),
    "end_mode": ("fin", "Finir avec la dernière image, ou la tenir pour garder la durée."),
    "loop": ("boucle", "Relier la fin au début."),
    "scene_cuts": ("plans", "auto cherche les changements de plan et ne crée rien à travers."),
    "cuts": ("coupes", "Images qui commencent un plan, comptées depuis 0, par exemple 24, 61."),
    "cut_threshold": ("seuil de coupe", "Plus haut, moins de coupes trouvées."),
    "on_cut": ("à la coupe", "Tenir l'image la plus proche, ou un fondu."),
    "audio": ("son", "Ce que devient le son."),
    "preset": ("préréglage", "La forme de la rampe."),
    "keyframes": ("images clés", "Endroits et vitesses, par exemple 0s:1, 50%:0.2, 100%:1."),
    "curve_is": ("la courbe est", "Une vitesse, ou une position dans la source."),
    "speed": ("vitesse", "Multiplie toutes les vitesses."),
    "output_fps": ("ips sortie", "Images par seconde du résultat ; 0 prend celles de la source."),
    "curve": ("courbe", "Pour le préréglage curve : dessinée ici ou connectée."),
    "threshold": ("seuil", "Plus haut, moins de coupes trouvées."),
    "direction": ("direction", "Vers l'image suivante, ou en arrière."),
    "style": ("style", "Couleurs, flèches, ou ce qui est caché."),
    "scale": ("échelle", "Mouvement en pixels montré en pleine couleur ; 0 prend le plus rapide."),
    "reference": ("référence", "L'image à animer."),
    "driving": ("conduite", "Le clip dont elle prend le mouvement : images ou vidéo."),
    "mode": ("mode", "relative ajoute le mouvement ; absolute prend la pose elle-même."),
    "anchor_frame": ("image d'ancrage", "Celle qui se tient comme la référence ; -1 la cherche."),
    "strength": ("force", "Multiplie le mouvement."),
    "smoothing": ("lissage", "Images de chaque côté sur lesquelles le tremblement est moyenné."),
    "keep_background": ("garder le fond", "Tenir le bord de l'image."),
    "mask": ("masque", "Où l'image peut changer."),
    "tokens": ("jetons", "Le mouvement."),
    "tokens_a": ("jetons a", "Le mouvement."),
    "tokens_b": ("jetons b", "Un autre mouvement à mélanger."),
    "factor": ("facteur", "Nouvelles images pour chaque ancienne."),
    "target_fps": ("ips voulues", "Images par seconde voulues ; 23.976 veut dire 24000/1001."),
    "frames": ("nombre d'images", "Exactement autant d'images en sortie."),
    "mix": ("mélange", "0 : jetons a, 1 : jetons b."),
    "method": ("méthode", "Droite, lisse, ou le long de la sphère."),
    "time_map": ("carte du temps", "Numéros d'images d'une rampe de vitesse."),
    "mirror": ("miroir", "Jouer aller et retour."),
    "offset": ("décalage", "Un autre mouvement, ajouté."),
    "filename_prefix": ("préfixe", "Début du nom du fichier ; rien n'est écrasé."),
    "file": ("fichier", "Nom du fichier dans le dossier de sortie ou d'entrée."),
    "info": ("infos", "À lire."),
    "fps": ("ips", "Images par seconde du résultat."),
    "frame_count": ("nombre d'images", "Exactement combien d'images il y a."),
    "count": ("nombre", "Combien il y en a."),
    "preview": ("aperçu", "À regarder."),
    "occlusion": ("caché", "1 où un pixel est caché dans l'autre image."),
    "flow": ("mouvement", "Pixels vers la droite et le bas."),
}


def schemas() -> list[Any]:
    path = ROOT / "tests" / "hosts_comfy" / "standin.py"
    spec = importlib.util.spec_from_file_location("imf_comfy_standin", path)
    assert spec is not None
    assert spec.loader is not None
    standin = importlib.util.module_from_spec(spec)
    sys.modules["imf_comfy_standin"] = standin
    spec.loader.exec_module(standin)
    with (
        tempfile.TemporaryDirectory() as folder,
        standin.installed(Path(folder), standin.Progress()),
    ):
        from imf_hosts.comfyui.extension import node_classes

        return [node.define_schema() for node in node_classes()]


def nested(schema: Any) -> list[tuple[str, Any]]:
    """Return all inputs with their full names, those of choices among them."""
    found = []
    for one in schema.inputs:
        found.append((one.id, one))
        for option in one.options.get("options", []):
            found += [(f"{one.id}.{inner.id}", inner) for inner in getattr(option, "inputs", [])]
    return found


def page(schema: Any) -> str:
    lines = [f"# {schema.display_name}", "", schema.description, "", NOTES[schema.node_id], ""]
    lines += ["## Inputs", "", "| input | | |", "| --- | --- | --- |"]
    for name, one in nested(schema):
        default = one.options.get("default")
        shown = "" if default in (None, "") or isinstance(default, list) else f"`{default}`"
        lines.append(f"| `{name.rpartition('.')[2]}` | {shown} | {one.tooltip} |")
    lines += ["", "## Outputs", "", "| output | |", "| --- | --- |"]
    lines += [f"| `{one.id}` | {one.tooltip} |" for one in schema.outputs]
    return "\n".join(lines) + "\n"


def french(schema: Any) -> dict[str, Any]:
    name, description = FRENCH_NODES[schema.node_id]

    def texts(key: str) -> dict[str, str]:
        label, tooltip = FRENCH_INPUTS[key]
        return {"name": label, "tooltip": tooltip}

    return {
        "display_name": name,
        "description": description,
        "inputs": {
            full.replace(".", "_"): texts(full.rpartition(".")[2]) for full, _ in nested(schema)
        },
        "outputs": {str(place): texts(one.id) for place, one in enumerate(schema.outputs)},
    }


def main() -> None:
    found = schemas()
    for schema in found:
        target = PACK / "web" / "docs" / schema.node_id / "en.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(schema))
    texts = {schema.node_id: french(schema) for schema in found}
    target = ROOT / "locales" / "fr" / "nodeDefs.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n")
    print(f"{len(found)} pages, {target}")


if __name__ == "__main__":
    main()
