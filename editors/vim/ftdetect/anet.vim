autocmd BufRead,BufNewFile *.anet setfiletype anet
